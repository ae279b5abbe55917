import { execFile } from "node:child_process"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect } from "effect"

const run = promisify(execFile)
const file = (path: string) => new URL(`../${path}`, import.meta.url).pathname

/** The README has the whole example. */
const shown = Effect.fnUntraced(function* (example: string) {
  const readme = yield* Effect.promise(() => readFile(file("README.md"), "utf8"))
  const source = yield* Effect.promise(() => readFile(file(example), "utf8"))
  assert.include(readme, source.slice(source.indexOf("import ")).trim())
})

const isFull = process.env["TEST_FULL"] !== undefined

describe("the examples", () => {
  it.live.each(["examples/effect.ts", "examples/async.ts", "examples/sdk.ts"])("%s is what the README shows", shown)

  // `pnpm test:full` runs all three. Each starts an OpenCode.
  it.live.each(isFull ? ["examples/effect.ts", "examples/async.ts"] : ["examples/effect.ts"])(
    "%s answers",
    (example) =>
      Effect.gen(function* () {
        const provider = yield* ScriptedProvider.make(({ toolResults }) =>
          toolResults.length === 0
            ? Reply.toolCall("bash", { command: "ls", description: "list" })
            : Reply.text("Hello from the model.")
        )
        const home = yield* OpenCodeHome.make({ config: { ...provider.config, snapshot: false } })
        const stdout = yield* output(example, home)
        assert.include(stdout, "[bash: completed]")
        assert.include(stdout, "Hello from the model.\ncompleted, ")
      }),
    120_000
  )

  it.live.runIf(isFull)(
    "examples/sdk.ts lists the files",
    () =>
      Effect.gen(function* () {
        const home = yield* OpenCodeHome.make()
        yield* Effect.promise(() => writeFile(join(home.directory, "notes.md"), "# Notes"))
        assert.include(yield* output("examples/sdk.ts", home), "file notes.md\n")
      }),
    120_000
  )
})

const output = (example: string, home: OpenCodeHome["Service"]) =>
  Effect.promise(async () => {
    const { stdout } = await run(process.execPath, ["--conditions=@opencode-worker/source", file(example), "Hello"], {
      cwd: home.directory,
      env: home.environment
    })
    return stdout
  })

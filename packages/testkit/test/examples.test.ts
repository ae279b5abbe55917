import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { binary } from "./support/openCode.ts"

/** The output of an example that runs as a reader would run it. */
const run = (name: string) =>
  Effect.tryPromise(() =>
    promisify(execFile)(process.execPath, ["--conditions=@opencode-worker/source", `examples/${name}.ts`], {
      cwd: new URL("..", import.meta.url),
      env: { ...process.env, OPENCODE_BIN: binary }
    })
  ).pipe(Effect.map(({ stdout }) => stdout.trim().split("\n")))

describe("the examples of the README", () => {
  it.live("Effect", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("effect"), ["The file says: hello from the disk", "model requests: 2"])
    })
  )

  it.live("equal the snippets of the README", () =>
    Effect.gen(function* () {
      const [readme, ...examples] = yield* Effect.forEach(
        ["README.md", "examples/effect.ts", "examples/async-await.ts", "examples/fault-proxy.ts"],
        (path) => Effect.tryPromise(() => readFile(new URL(`../${path}`, import.meta.url), "utf8"))
      )
      for (const example of examples) assert.include(readme, example)
    })
  )

  it.live("async/await", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("async-await"), ["Answer 1 to Hello", "model requests: 1"])
    })
  )

  it.live("the fault proxy", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("fault-proxy"), ["hello", "the network is down", "hello"])
    })
  )
})

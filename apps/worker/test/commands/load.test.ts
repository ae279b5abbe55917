import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { until } from "@opencode-worker/harness"
import * as command from "../support/command.ts"

const limit = { timeout: 120_000 }

const version = Effect.fnUntraced(function* (root: string) {
  const { code, stderr, stdout } = yield* command.run({ root, environment: command.ownCompileCache }, "--version")
  assert.strictEqual(code, 0, stderr)
  assert.match(stdout, /^opencode-worker v/)
})

/** Names of the threads of a process, on Linux. */
const threadsOf = (pid: number) =>
  readdirSync(`/proc/${pid}/task`).map((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, "utf8").trim())

describe("the code of the command", () => {
  it.live(
    "is cached in compiled form in the user's cache folder",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const kept = () => readdirSync(join(root, "cache", "opencode-worker"), { recursive: true, withFileTypes: true })
        yield* version(root)
        const files = kept().filter((entry) => entry.isFile())
        assert.isAbove(files.length, 0)
        yield* version(root)
        assert.sameMembers(
          kept().flatMap((entry) => (entry.isFile() ? [entry.name] : [])),
          files.map(({ name }) => name)
        )
      }),
    limit
  )

  it.live(
    "is loaded even if the cache cannot be written",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        writeFileSync(join(root, "cache", "opencode-worker"), "a file, where a folder is wanted")
        yield* version(root)
      }),
    limit
  )

  it.live(
    "is not loaded by a Node.js that is too old, or a runtime that claims to be one",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        for (const node of ["20.20.2", "22.22.0", "24.3.0"]) {
          const script = `Object.defineProperty(process,"versions",{value:{...process.versions,node:"${node}"}})`
          const environment = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
          const { code, stderr, stdout } = yield* command.run({ root, environment }, "dev", "--demo")
          assert.strictEqual(code, 78, stderr)
          assert.match(stderr, /^opencode-worker needs Node\.js 24\.19 or later; this is \S+\.\n$/)
          assert.strictEqual(stdout, "")
        }
      }),
    limit
  )

  it.live(
    "includes jq, whose mistakes are reported",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const counted = yield* command.run({ root }, "context", "ls", "--jq", "length")
        assert.strictEqual(counted.stdout, "0\n", counted.stderr)
        const invalid = yield* command.run({ root }, "context", "ls", "--jq", ".[")
        assert.strictEqual(invalid.code, 2, invalid.stderr)
        assert.match(invalid.stderr, /--jq \.\[: syntax error/)
      }),
    limit
  )

  it.live(
    "includes jq, which Ctrl-C ends in a filter without end",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const endless = yield* command.start({ root }, "context", "ls", "--jq", "last(repeat(1))")
        yield* Effect.promise(() => until(() => threadsOf(endless.pid).includes("jq"), "jq", endless.stderr))
        endless.kill("SIGINT")
        assert.strictEqual((yield* Effect.promise(() => endless.ended)).code, 130)
      }),
    limit
  )
})

/** Attacks on the host's keys: directories in which an agent would read them without a request. */
import { mkdirSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const limit = { timeout: 120_000 }
const run = command.runner()

describe("a worker does not host", () => {
  for (const name of ["dev", "start"]) {
    it.live(
      `directories with the keys of its user (${name})`,
      () =>
        Effect.gen(function* () {
          const root = yield* command.home
          const state = join(root, "state", "opencode-worker")
          mkdirSync(state, { recursive: true })
          symlinkSync(root, join(root, "project", "link"))
          const address = name === "start" ? ["--url", "http://127.0.0.1:9"] : []
          const cases = [
            ["/", /contains your home directory/],
            [root, /contains your home directory/],
            ["link", /contains your home directory/],
            [join(root, "state"), /contains the worker's data folder/],
            [state, /contains the worker's data folder/],
            [join(root, "project"), /contains the worker's data folder/, "--data", "data"]
          ] as const
          // `pnpm test:full` tests each directory with both commands.
          const isEach = process.env["TEST_FULL"] !== undefined || name === "start"
          for (const [directory, sentence, ...more] of isEach ? cases : cases.slice(-1)) {
            const ended = yield* run({ root }, name, ...address, "--directory", directory, ...more)
            assert.strictEqual(ended.code, 78, ended.stderr)
            assert.match(ended.stderr, sentence)
            assert.match(ended.stderr, /use the directory of a project, or pass --allow-home\./)
          }
        }),
      limit
    )
  }

  it.live(
    "unless --allow-home is given, whose help names the keys",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const { stdout } = yield* run({ root }, "dev", "--help")
        assert.match(stdout, /--allow-home/)
        assert.match(stdout, /SSH keys/)
        const args = ["dev", "--directory", root, "--allow-home", "--opencode", "/none"]
        const ended = yield* run({ root, stdin: "" }, ...args)
        assert.match(ended.stderr, /\/none.* does not exist/)
        assert.notMatch(ended.stderr, /home directory/)
      }),
    limit
  )
})

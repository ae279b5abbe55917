import { openSync, closeSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const limit = { timeout: 180_000 }

/** Each write to it fails with "no space left on device". */
const fullDisk = Effect.acquireRelease(
  Effect.sync(() => openSync("/dev/full", "w")),
  (file) => Effect.sync(() => closeSync(file))
)

describe("lost standard output", () => {
  it.live(
    "ends dev without a message when its reader leaves, and stops its server; a list then succeeds",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const running = yield* command.start({ root }, "dev", "--demo", "--prompt", "Hello")
        yield* Effect.promise(() => running.prints(/I am the offline model/))
        const port = command.portOf(running.stdout())
        running.closeOutput()
        const { code, stderr } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 3, stderr)
        assert.notMatch(stderr, /EPIPE|^\s+at /m)
        assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(root)), [])
        assert.isFalse(yield* Effect.promise(() => command.isOpen(port)))

        const list = yield* command.start({ root }, "sessions", "ls", "--demo")
        list.closeOutput()
        assert.strictEqual((yield* Effect.promise(() => list.ended)).code, 0)
      }),
    limit
  )

  it.live(
    "makes dev report a full disk in one sentence",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const stdout = yield* fullDisk
        const environment = { OPENCODE_BIN: yield* command.sleepingOpenCode(root) }
        const { code, stderr } = yield* command.run({ root, stdout, environment }, "dev", "--demo", "--prompt", "Hello")
        assert.strictEqual(code, 75, stderr)
        assert.match(stderr, /Standard output cannot be written: ENOSPC/)
        assert.notMatch(stderr, /^\s+at /m)
        assert.deepStrictEqual(yield* Effect.promise(() => command.processesBelow(root)), [])
      }),
    limit
  )

  // A reader that closes the help early: kunchenguid/axi#193; a pager that is quit: h0x91b/dev-3.0#863, monoes/monomind#41.
  // `pnpm test:full` tests each.
  const helps = ["dev --help", "--help", "--version"]
  it.live.each(process.env["TEST_FULL"] === undefined ? helps.slice(0, 1) : helps)(
    "does not make %s fail",
    (line) =>
      Effect.gen(function* () {
        const args = line.split(" ")
        const root = yield* command.home
        const running = yield* command.start({ root }, ...args)
        running.closeOutput()
        const left = yield* Effect.promise(() => running.ended)
        assert.strictEqual(left.code, 0, left.stderr)
        assert.strictEqual(left.stderr, "")
        const full = yield* command.run({ root, stdout: yield* fullDisk }, ...args)
        assert.notMatch(full.stderr, /^\s+at /m)
      }),
    limit
  )
})

/** What an earlier process left in the middle of an undo, with a server that ends while it is settled. */
import { existsSync } from "node:fs"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { HostError, HostErrorReason, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { keep } from "../../../src/handlers/undo/kept.ts"
import { makeJournal } from "../../../src/handlers/undo/journal.ts"
import { makeUndos } from "../../../src/handlers/undo/Undos.ts"

const session = "ses_1"

/** A file that was kept before an undo, and that OpenCode has deleted. */
const interrupted = Effect.gen(function* () {
  const root = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "undos-"))),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )
  const path = join(root, "edited.txt")
  yield* Effect.promise(() => writeFile(path, "a turn wrote this\n"))
  const journal = makeJournal(join(root, "undo"), session)
  yield* journal.prepare
  const files = [yield* keep(path, false, journal.copies, "0")]
  yield* journal.begin({ messageId: "msg_1", at: Date.now(), files })
  yield* Effect.promise(() => rm(path))
  return { path, root: join(root, "undo") }
})

/** Fails as often as `reasons` has reasons, and returns a session without an undo then. */
const hostThatFails = (reasons: Array<HostError["reason"]>) => {
  const get = Effect.suspend(() => {
    const reason = reasons.shift()
    return reason === undefined ? Effect.succeed({ revert: undefined }) : Effect.fail(new HostError({ reason }))
  })
  const host = { client: { sessions: { get: () => get } }, directory: "/" }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the part that settling uses
  return Effect.provideService(OpenCodeHost, host as unknown as OpenCodeHost["Service"])
}

const settled = (root: string, ...reasons: Array<HostError["reason"]>) =>
  Effect.gen(function* () {
    const settling = yield* Effect.forkChild(makeUndos(root).settle)
    while (settling.pollUnsafe() === undefined) {
      yield* Effect.promise(() => new Promise(setImmediate))
      yield* TestClock.adjust("1 second")
    }
    yield* Fiber.join(settling)
  }).pipe(hostThatFails(reasons))

const unavailable = new HostErrorReason.Unavailable({ operation: "reading a session", detail: "the server has ended" })
const timeout = new HostErrorReason.Timeout({ operation: "reading a session", millis: 1 })

layer(NodeServices.layer)((it) => {
  it.effect("is taken back when OpenCode runs again", () =>
    Effect.gen(function* () {
      const { path, root } = yield* interrupted
      yield* settled(root, unavailable, timeout, unavailable)
      assert.strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), "a turn wrote this\n")
      assert.isFalse(existsSync(join(root, session, "undoing.json")))
    })
  )

  it.effect("stays for the next undo after an error that would be the same again", () =>
    Effect.gen(function* () {
      const { root } = yield* interrupted
      const reasons = [
        new HostErrorReason.Protocol({ operation: "reading a session", detail: "no session" }),
        unavailable
      ]
      yield* settled(root, ...reasons)
      assert.isTrue(existsSync(join(root, session, "undoing.json")))
    })
  )
})

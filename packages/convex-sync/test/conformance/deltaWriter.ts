/** `DeltaStore`. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Batch } from "../../src/index.ts"
import { assertFenced, type Cases, codeOf, type MakeWorker } from "./Worker.ts"

const batch = (turnId: Batch["turnId"], seq: number, text: string): Batch => ({
  turnId,
  seq,
  segments: [{ partId: "prt_1", kind: "text", text }]
})

export const deltaWriter = <R>(
  cases: Cases<R>,
  worker: MakeWorker<R, "turns" | "write", "createSession" | "send" | "streamed" | "watch">
) => {
  /** A process with a running turn in each of two sessions. */
  const setUp = Effect.gen(function* () {
    const { operator, start } = yield* worker
    const { turns, write } = yield* start("p")
    const run = Effect.gen(function* () {
      const sessionId = yield* operator.createSession
      const turnId = yield* operator.send(sessionId, "Hi")
      assert.isNotNull(yield* turns.claim(turnId, { messageId: "msg_1", partId: "prt_1" }))
      return { sessionId, turnId }
    })
    return { operator, start, write, one: yield* run, other: yield* run }
  })

  return describe("a write of streamed text", () => {
    cases.effect("appends to each turn in the order of the sequence numbers", () =>
      Effect.gen(function* () {
        const { one, operator, other, write } = yield* setUp
        yield* write([batch(one.turnId, 2, "lo"), batch(other.turnId, 1, "Bye")])
        yield* write([batch(one.turnId, 1, "Hel")])
        assert.strictEqual(yield* operator.streamed(one.turnId), "Hello")
        assert.strictEqual(yield* operator.streamed(other.turnId), "Bye")
      })
    )

    cases.effect("appends a repeated batch once, and the new batches of the same call", () =>
      Effect.gen(function* () {
        const { one, operator, other, write } = yield* setUp
        yield* write([batch(one.turnId, 1, "once")])
        yield* write([batch(one.turnId, 1, "once"), batch(other.turnId, 1, "new")])
        assert.strictEqual(yield* operator.streamed(one.turnId), "once")
        assert.strictEqual(yield* operator.streamed(other.turnId), "new")
      })
    )

    cases.effect("writes all or nothing", () =>
      Effect.gen(function* () {
        const { one, operator, other, write } = yield* setUp
        const tooLong = batch(other.turnId, 1, "x".repeat(40_000))
        assert.strictEqual(yield* codeOf(write([batch(one.turnId, 1, "good"), tooLong])), "InvalidArgument")
        assert.strictEqual(yield* operator.streamed(one.turnId), "")
        yield* write([batch(one.turnId, 1, "good")])
        assert.strictEqual(yield* operator.streamed(one.turnId), "good")
      })
    )

    cases.effect("skips a turn that does not run in this process, and writes the others", () =>
      Effect.gen(function* () {
        const { one, operator, write } = yield* setUp
        const waiting = yield* operator.send(one.sessionId, "Later")
        yield* write([batch(waiting, 1, "early"), batch(one.turnId, 1, "good")])
        assert.strictEqual(yield* operator.streamed(waiting), "")
        assert.strictEqual(yield* operator.streamed(one.turnId), "good")
      })
    )

    cases.effect("returns the turns that a client watches", () =>
      Effect.gen(function* () {
        const { one, operator, other, write } = yield* setUp
        yield* operator.watch(one.sessionId)
        const reply = yield* write([batch(one.turnId, 1, "a"), batch(other.turnId, 1, "b")])
        const all = [one.turnId, other.turnId]
        assert.include(reply?.watched ?? all, one.turnId)
        assert.notInclude(reply?.watched ?? [], other.turnId)
        const again = yield* write([batch(one.turnId, 1, "a")])
        assert.include(again?.watched ?? all, one.turnId)
      })
    )

    cases.effect("is refused for a superseded process, also for a turn of its successor", () =>
      Effect.gen(function* () {
        const { one, operator, start, write } = yield* setUp
        const next = yield* start("p")
        yield* assertFenced(write([batch(one.turnId, 1, "late")]))
        yield* next.write([batch(one.turnId, 1, "not mine")])
        assert.strictEqual(yield* operator.streamed(one.turnId), "")
      })
    )
  })
}

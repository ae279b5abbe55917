/** The part of a `TurnStore` that recovery needs. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import type { Batch, TurnResult } from "../../src/index.ts"
import { assertFenced, type Cases, codeOf, type MakeWorker, opened, requestCalled } from "./Worker.ts"

const completed: TurnResult.TurnResult = {
  outcome: "completed",
  parts: [{ index: 0, kind: "text", payload: '{"text":"Yes"}' }]
}
const segment = (partId: string, kind: "text" | "reasoning" | "tool", text: string) => ({ partId, kind, text })
const streamedText = (turnId: Batch["turnId"]): ReadonlyArray<Batch> => [
  { turnId, seq: 1, segments: [segment("prt_2", "reasoning", "Hm"), segment("prt_1", "text", "Hel")] },
  { turnId, seq: 2, segments: [segment("prt_3", "tool", "ls"), segment("prt_1", "text", "lo")] }
]

export const orphanedTurns = <R>(
  cases: Cases<R>,
  worker: MakeWorker<
    R,
    "requests" | "turns" | "write",
    "abort" | "createSession" | "parts" | "pending" | "send" | "streamed" | "turns"
  >
) => {
  /** A session with a queued turn. */
  const setUp = Effect.gen(function* () {
    const { operator, start } = yield* worker
    const sessionId = yield* operator.createSession
    const turnId = yield* operator.send(sessionId, "first")
    const status = Effect.map(operator.turns(sessionId), ([first]) => first?.status)
    const claim = (by: Pick<Effect.Success<ReturnType<typeof start>>, "turns">, of = turnId) =>
      Effect.map(by.turns.claim(of, { messageId: `msg of ${of}`, partId: "prt_1" }), (prompt) =>
        assert.isNotNull(prompt)
      )
    return { claim, operator, sessionId, start, status, turnId }
  })

  return describe("a store for recovery", () => {
    cases.effect("moves the claim of a delivered turn to the next process, after the text that was streamed", () =>
      Effect.gen(function* () {
        const { claim, operator, start, status, turnId } = yield* setUp
        const before = yield* start("p")
        yield* claim(before)
        yield* before.turns.deliver(turnId)
        yield* before.write(streamedText(turnId))
        const after = yield* start("p")
        const adopted = yield* after.turns.adopt(turnId)
        assert.deepInclude(adopted, { text: "first", messageId: `msg of ${turnId}`, seq: 2 })
        assert.deepStrictEqual(yield* after.turns.adopt(turnId), adopted)
        assert.strictEqual(yield* status, "running")
        assert.deepStrictEqual(yield* after.turns.orphaned([turnId]), [])
        yield* after.write([{ turnId, seq: 3, segments: [segment("prt_1", "text", "!")] }])
        assert.deepInclude((yield* after.turns.streamed(turnId))[1], { partId: "prt_1", text: "Hello!" })
        yield* operator.abort(turnId)
        assert.isNull(yield* after.turns.adopt(turnId))
        yield* after.turns.finish(turnId, completed)
        assert.isNull(yield* after.turns.adopt(turnId))
      })
    )

    cases.effect("lists the unfinished turns of all processes, without those that run here", () =>
      Effect.gen(function* () {
        const { claim, operator, sessionId, start, turnId } = yield* setUp
        const before = yield* start("p")
        yield* operator.send(sessionId, "waits")
        assert.deepStrictEqual(yield* before.turns.orphaned([]), [])
        yield* claim(before)
        const own = yield* operator.send(yield* operator.createSession, "other")
        const after = yield* start("p")
        yield* claim(after, own)
        yield* after.turns.deliver(own)
        const left = yield* after.turns.orphaned([own])
        assert.deepStrictEqual(
          left.map((turn) => [turn.turnId, turn.messageId, turn.agentSessionId]),
          [[turnId, `msg of ${turnId}`, null]]
        )
        const all = yield* after.turns.orphaned([])
        assert.sameDeepMembers(
          all.map((turn) => [turn.turnId, turn.delivered, turn.abortRequested]),
          [
            [turnId, false, false],
            [own, true, false]
          ]
        )
        yield* operator.abort(own)
        const [stopped] = yield* after.turns.orphaned([turnId])
        assert.isTrue(stopped?.abortRequested)
      })
    )

    cases.effect("returns the streamed text by part, in the order in which the parts began, without tools", () =>
      Effect.gen(function* () {
        const { claim, start, turnId } = yield* setUp
        const before = yield* start("p")
        yield* claim(before)
        yield* before.write(streamedText(turnId))
        const { turns: store } = yield* start("p")
        assert.deepStrictEqual(yield* store.streamed(turnId), [
          { partId: "prt_2", kind: "reasoning", text: "Hm" },
          { partId: "prt_1", kind: "text", text: "Hello" }
        ])
      })
    )

    cases.effect("requeues a turn without its streamed text, and ignores a repeated call", () =>
      Effect.gen(function* () {
        const { claim, operator, start, turnId } = yield* setUp
        const before = yield* start("p")
        yield* claim(before)
        yield* before.write(streamedText(turnId))
        const after = yield* start("p")
        yield* after.turns.requeue(turnId, `msg of ${turnId}`)
        yield* after.turns.requeue(turnId, `msg of ${turnId}`)
        assert.strictEqual(yield* operator.streamed(turnId), "")
        assert.deepStrictEqual(yield* after.turns.orphaned([]), [])
        const shown = yield* opened(after.turns.windows)
        yield* shown.until((window) => window.some((turn) => turn.turnId === turnId))
        yield* claim(after)
      })
    )

    cases.effect("keeps a claim that is newer than the requeue", () =>
      Effect.gen(function* () {
        const { start, status, turnId } = yield* setUp
        const port = yield* start("p")
        for (const messageId of ["msg_1", "msg_2"]) {
          assert.isNotNull(yield* port.turns.claim(turnId, { messageId, partId: "prt_1" }))
          yield* port.turns.requeue(turnId, "msg_1")
        }
        assert.strictEqual(yield* status, "claimed")
      })
    )

    cases.effect("does not requeue a turn that was delivered or aborted", () =>
      Effect.gen(function* () {
        const { claim, operator, sessionId, start, status, turnId } = yield* setUp
        const port = yield* start("p")
        yield* claim(port)
        yield* port.turns.deliver(turnId)
        assert.strictEqual(yield* codeOf(port.turns.requeue(turnId, `msg of ${turnId}`)), "Conflict")
        assert.strictEqual(yield* status, "running")
        yield* port.turns.finish(turnId, completed)
        const stopped = yield* operator.send(sessionId, "stopped")
        yield* claim(port, stopped)
        yield* operator.abort(stopped)
        yield* port.turns.requeue(stopped, `msg of ${stopped}`)
        yield* port.turns.requeue(stopped, `msg of ${stopped}`)
        const [, second] = yield* operator.turns(sessionId)
        assert.strictEqual(second?.status, "aborted")
      })
    )

    cases.effect("finishes a turn: stores its parts, deletes its text and requests, and releases the next turn", () =>
      Effect.gen(function* () {
        const { claim, operator, sessionId, start, status, turnId } = yield* setUp
        const next = yield* operator.send(sessionId, "next")
        const before = yield* start("p")
        yield* claim(before)
        yield* before.write(streamedText(turnId))
        yield* before.requests.open(requestCalled("per_1", turnId))
        const after = yield* start("p")
        yield* after.turns.finish(turnId, completed)
        assert.strictEqual(yield* status, "completed")
        assert.deepStrictEqual(yield* operator.parts(turnId), completed.parts)
        assert.strictEqual(yield* operator.streamed(turnId), "")
        assert.deepStrictEqual(yield* after.turns.streamed(turnId), [])
        assert.deepStrictEqual(yield* operator.pending(sessionId), [])
        assert.deepStrictEqual(yield* after.turns.orphaned([]), [])
        yield* claim(after, next)
      })
    )

    cases.effect("keeps the first outcome of a turn that is finished twice", () =>
      Effect.gen(function* () {
        const { claim, operator, start, status, turnId } = yield* setUp
        const port = yield* start("p")
        yield* claim(port)
        yield* port.turns.finish(turnId, completed)
        yield* port.turns.finish(turnId, completed)
        yield* port.turns.finish(turnId, { outcome: "failed", parts: [] })
        assert.strictEqual(yield* status, "completed")
        assert.deepStrictEqual(yield* operator.parts(turnId), completed.parts)
      })
    )

    cases.effect("refuses a superseded process", () =>
      Effect.gen(function* () {
        const { claim, start, status, turnId } = yield* setUp
        const port = yield* start("p")
        yield* claim(port)
        yield* start("p")
        yield* assertFenced(port.turns.orphaned([]))
        yield* assertFenced(port.turns.streamed(turnId))
        yield* assertFenced(port.turns.requeue(turnId, `msg of ${turnId}`))
        yield* assertFenced(port.turns.finish(turnId, completed))
        assert.strictEqual(yield* status, "claimed")
      })
    )
  })
}

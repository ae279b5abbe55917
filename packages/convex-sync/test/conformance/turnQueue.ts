/** The queue of a `TurnStore`: windows, claims and aborts. */
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import type { ReadyTurn } from "../../src/index.ts"
import { assertFenced, type Cases, type MakeWorker, opened } from "./Worker.ts"

const ids = { messageId: "msg_1", partId: "prt_1" }
const idsOf = (window: ReadonlyArray<ReadyTurn>) => window.map(({ turnId }) => turnId).join()

export const turnQueue = <R>(
  cases: Cases<R>,
  worker: MakeWorker<R, "turns", "abort" | "createSession" | "send" | "turns">
) =>
  describe("a queue of turns", () => {
    cases.effect("shows the first queued turn of each session, oldest first, and its prompt at the claim", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const [one, other] = [yield* operator.createSession, yield* operator.createSession]
        const first = yield* operator.send(one, "first")
        yield* operator.send(one, "behind the first")
        const second = yield* operator.send(other, "second")
        const { turns: port } = yield* start("p")
        const shown = yield* opened(port.windows)
        const [turn] = yield* shown.until((window) => idsOf(window) === `${first},${second}`)
        assert.deepStrictEqual(turn, { turnId: first, sessionId: one, delivery: "queue" })
        const prompt = { text: "first", model: null, agent: null, variant: null }
        assert.deepInclude(yield* port.claim(first, ids), prompt)
      })
    )

    cases.effect("shows each change: a prompt, a claim, the end of an earlier turn", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const session = yield* operator.createSession
        const { turns: port } = yield* start("p")
        const shown = yield* opened(port.windows)
        const first = yield* operator.send(session, "first")
        yield* shown.until((window) => idsOf(window) === first)
        const second = yield* operator.send(session, "second")
        yield* operator.abort(first)
        yield* shown.until((window) => idsOf(window) === second)
        assert.isNotNull(yield* port.claim(second, ids))
        yield* shown.until((window) => window.length === 0)
      })
    )

    cases.effect("shows a turn until it is claimed, and again after it was requeued", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const turn = yield* operator.send(yield* operator.createSession, "Hi")
        const { turns: port } = yield* start("p")
        for (const messageId of ["msg_1", "msg_2"]) {
          const shown = yield* opened(port.windows)
          yield* shown.until((window) => idsOf(window) === turn)
          assert.isNotNull(yield* port.claim(turn, { ...ids, messageId }))
          yield* shown.until((window) => window.length === 0)
          yield* port.requeue(turn, messageId)
          yield* shown.until((window) => idsOf(window) === turn)
        }
      })
    )

    cases.effect("accepts a repeated claim with the same ids", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const session = yield* operator.createSession
        const turn = yield* operator.send(session, "Hi")
        const { turns: port } = yield* start("p")
        assert.isNotNull(yield* port.claim(turn, ids))
        assert.isNotNull(yield* port.claim(turn, ids))
        assert.isNull(yield* port.claim(turn, { ...ids, messageId: "msg_2" }))
        const [claimed] = yield* operator.turns(session)
        assert.strictEqual(claimed?.status, "claimed")
      })
    )

    cases.effect(
      "rejects a claim of a turn that waits for another turn, has ended, or belongs to another process",
      () =>
        Effect.gen(function* () {
          const { operator, start } = yield* worker
          const session = yield* operator.createSession
          const first = yield* operator.send(session, "first")
          const second = yield* operator.send(session, "second")
          const { turns: before } = yield* start("p")
          assert.isNull(yield* before.claim(second, ids))
          yield* operator.abort(first)
          assert.isNull(yield* before.claim(first, ids))
          assert.isNotNull(yield* before.claim(second, ids))
          const { turns: after } = yield* start("p")
          assert.isNull(yield* after.claim(second, ids))
        })
    )

    cases.effect("refuses a process that has released its lease", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const turn = yield* operator.send(yield* operator.createSession, "Hi")
        const scope = yield* Scope.make()
        const { turns: port } = yield* Scope.provide(start("p"), scope)
        yield* Scope.close(scope, Exit.void)
        yield* assertFenced(port.claim(turn, ids))
      })
    )

    cases.effect("refuses a superseded process, and ends its subscription", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const session = yield* operator.createSession
        const turn = yield* operator.send(session, "Hi")
        const { turns: before } = yield* start("p")
        const shown = yield* opened(before.windows)
        const { turns: after } = yield* start("p")
        yield* assertFenced(before.claim(turn, ids))
        yield* assertFenced(shown.end)
        assert.isNotNull(yield* after.claim(turn, ids))
      })
    )
  })

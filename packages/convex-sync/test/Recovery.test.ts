import { assert, describe, it, layer } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import {
  AgentError,
  AgentReason,
  api,
  DeltaWriter,
  Lease,
  type PromptRecord,
  type PromptRef,
  type PromptState,
  Recovery,
  type TurnResult,
  turnStore
} from "../src/index.ts"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

const turn = { delivered: true, abortRequested: false, asks: false }
const absent: PromptState = { _tag: "Absent" }

describe("the decision", () => {
  const { decide } = Recovery

  it("requeues only a prompt that the agent never received", () => {
    assert.strictEqual(decide({ ...turn, delivered: false }, absent), "requeue")
  })

  it("never reruns a delivered prompt, even if the agent has lost it", () => {
    assert.deepNestedInclude(decide(turn, absent), { outcome: "interrupted", "error.name": "SessionGone" })
  })

  it("adopts the outcome that the agent recorded", () => {
    for (const outcome of ["completed", "failed"] as const) {
      const decision = decide(turn, { _tag: "Ended", outcome, error: undefined })
      assert.deepStrictEqual(decision, { outcome, error: undefined })
    }
  })

  it("is interrupted if the agent has no outcome, or one that a stopping worker caused", () => {
    const states: ReadonlyArray<PromptState> = [
      { _tag: "Unfinished" },
      { _tag: "Ended", outcome: "interrupted" },
      { _tag: "Ended", outcome: "aborted" }
    ]
    for (const state of states) {
      for (const delivered of [true, false]) {
        assert.propertyVal(decide({ ...turn, delivered }, state), "outcome", "interrupted")
      }
    }
  })

  it("reports that it was asked and not answered", () => {
    const decision = decide({ ...turn, asks: true }, { _tag: "Unfinished" })
    assert.deepNestedInclude(decision, { outcome: "interrupted", "error.name": "NotAnswered" })
    const ended = decide({ ...turn, asks: true }, { _tag: "Ended", outcome: "completed", error: undefined })
    assert.deepStrictEqual(ended, { outcome: "completed", error: undefined })
  })

  it("leaves a turn alone that waits for an answer in the agent", () => {
    assert.strictEqual(decide({ ...turn, asks: true }, { _tag: "Asking" }), "leave")
    assert.deepStrictEqual(decide({ ...turn, abortRequested: true }, { _tag: "Asking" }), { outcome: "aborted" })
  })

  it("is aborted when an operator stopped it, whatever the agent recorded", () => {
    const states: ReadonlyArray<PromptState> = [absent, { _tag: "Unfinished" }, { _tag: "Ended", outcome: "completed" }]
    for (const state of states) {
      for (const delivered of [true, false]) {
        assert.deepStrictEqual(decide({ ...turn, delivered, abortRequested: true }, state), { outcome: "aborted" })
      }
    }
  })
})

const parts: PromptRecord["parts"] = (streamed) =>
  streamed.map(({ kind, text }, index) => ({ index, kind, payload: JSON.stringify({ text }) }))

/** The agent's record of each prompt, by id. */
const records = (known: ReadonlyMap<string, PromptState>) => ({
  record: ({ messageId }: PromptRef) => Effect.succeed({ state: known.get(messageId) ?? absent, parts })
})

layer(Deployment.layer, { excludeTestServices: true })("recovery", (test) => {
  test.effect("finishes each turn of an earlier process once, and requeues undelivered turns", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const convex = yield* connection()
      const credentials = yield* pair(operator)
      const under = (processId: string) =>
        Layer.provideMerge(DeltaWriter.layer(), Lease.layer(credentials, { processId })).pipe(
          Layer.provide(Layer.succeed(ConvexClient, convex))
        )
      const send = Effect.fnUntraced(function* (key: string) {
        const { workerId } = credentials
        const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: key })
        const turnId = yield* operator.mutation(api.turns.send, { sessionId, text: key, idempotencyKey: key })
        return { key, sessionId, turnId }
      })
      const turns = yield* Effect.forEach(["finished", "cut", "fresh", "stopped"], send)

      yield* Effect.gen(function* () {
        const lease = yield* Lease
        const { claim } = turnStore(lease)
        const { append, flush } = yield* DeltaWriter
        const { mutation } = lease
        for (const { key, sessionId, turnId } of turns) {
          assert.isNotNull(yield* claim(turnId, { messageId: `msg_${key}`, partId: "prt_1" }))
          yield* mutation(api.sessions.linkOpenCodeSession, { sessionId, opencodeSessionId: `ses_${key}` })
          if (key === "fresh") continue
          yield* mutation(api.queue.markDelivered, { turnId })
          yield* append(turnId, { partId: "p", kind: "text", text: `so far ${key}` })
          yield* flush(turnId)
        }
      }).pipe(Effect.provide(under("earlier")))
      const stopped = turns.find(({ key }) => key === "stopped")
      assert.exists(stopped)
      yield* operator.mutation(api.turns.abort, { turnId: stopped.turnId })

      const source = records(
        new Map<string, PromptState>([
          ["msg_finished", { _tag: "Ended", outcome: "completed" }],
          ["msg_cut", { _tag: "Unfinished" }],
          ["msg_stopped", { _tag: "Ended", outcome: "completed" }]
        ])
      )
      const recoverAll = Effect.flatMap(Lease, (lease) =>
        Recovery.make(source, turnStore(lease), () => Effect.die("adopted")).recoverAll(Effect.succeed([]))
      )
      yield* Effect.andThen(recoverAll, recoverAll).pipe(Effect.provide(under("later")))

      const ends = yield* Effect.forEach(turns, ({ turnId }) =>
        Effect.gen(function* () {
          const { status } = yield* operator.query(api.turns.live, { turnId, after: 0 })
          const { page } = yield* operator.query(api.turns.parts, {
            turnId,
            paginationOpts: { numItems: 9, cursor: null }
          })
          return [status, ...page.map(({ payload }): string => JSON.parse(payload).text)]
        })
      )
      assert.deepStrictEqual(ends, [
        ["completed", "so far finished"],
        ["interrupted", "so far cut"],
        ["queued"],
        ["aborted", "so far stopped"]
      ])
    })
  )
})

const orphaned = (name: string) => ({
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
  turnId: name as Id<"turns">,
  messageId: `msg_${name}`,
  agentSessionId: "ses",
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only a deployment makes real ones
  sessionId: "session" as Id<"sessions">,
  delivery: "queue" as const,
  ...turn
})

describe("a turn that cannot be recovered", () => {
  it.effect("does not delay other turns, and is retried until it succeeds", () =>
    Effect.gen(function* () {
      const left = new Map(["a", "b"].map((name) => [orphaned(name).turnId, orphaned(name)]))
      const ended: Array<readonly [string, TurnResult.TurnResult["outcome"]]> = []
      const state = { away: true }
      const { recoverAll } = Recovery.make(
        {
          record: ({ messageId }) =>
            state.away && messageId === "msg_a"
              ? Effect.fail(new AgentError({ reason: new AgentReason.Unavailable({ message: "The server is away" }) }))
              : Effect.succeed({ state: { _tag: "Ended", outcome: "completed" }, parts: () => [] })
        },
        {
          orphaned: () => Effect.sync(() => [...left.values()]),
          streamed: () => Effect.succeed([]),
          requeue: () => Effect.void,
          finish: (turnId, { outcome }) =>
            Effect.sync(() => {
              left.delete(turnId)
              ended.push([turnId, outcome])
            })
        },
        () => Effect.die("adopted")
      )
      const fiber = yield* Effect.forkChild(recoverAll(Effect.succeed([])))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(ended, [["b", "completed"]])
      state.away = false
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(ended, [
        ["b", "completed"],
        ["a", "completed"]
      ])
    })
  )

  it.effect("is not recovered while it runs here, even if it was claimed during the query", () =>
    Effect.gen(function* () {
      const own = orphaned("own")
      const asked: Array<ReadonlyArray<string>> = []
      const { recoverAll } = Recovery.make(
        { record: () => Effect.die("asked") },
        {
          orphaned: (running) =>
            Effect.sync(() => {
              asked.push(running)
              return [own]
            }),
          streamed: () => Effect.succeed([]),
          requeue: () => Effect.void,
          finish: () => Effect.die("ended")
        },
        () => Effect.die("adopted")
      )
      let looks = 0
      yield* recoverAll(Effect.sync(() => (++looks === 1 ? [] : [own.turnId])))
      assert.deepStrictEqual(asked, [[]])
    })
  )
})

import { assert, describe, it, layer } from "@effect/vitest"
import { Data, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import {
  api,
  DeltaWriter,
  Inbox,
  Lease,
  type PromptRecord,
  type PromptState,
  Settlement,
  type SettlementSource,
  type TurnResult
} from "../src/index.ts"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

const turn = { delivered: true, abortRequested: false }
const absent: PromptState = { _tag: "Absent" }

describe("the decision", () => {
  const { decide } = Settlement

  it("queues again only what OpenCode never had", () => {
    assert.strictEqual(decide({ ...turn, delivered: false }, absent), "requeue")
  })

  it("never runs again what was seen there, even if it is gone now", () => {
    assert.deepNestedInclude(decide(turn, absent), { outcome: "interrupted", "error.name": "SessionGone" })
  })

  it("takes over how OpenCode says that it ended", () => {
    for (const outcome of ["completed", "failed"] as const) {
      const decision = decide(turn, { _tag: "Ended", outcome, error: undefined })
      assert.deepStrictEqual(decision, { outcome, error: undefined })
    }
  })

  it("calls interrupted what has no end, or one that a stopping worker made", () => {
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

  it("calls aborted what an operator stopped, whatever OpenCode has of it", () => {
    const states: ReadonlyArray<PromptState> = [absent, { _tag: "Unfinished" }, { _tag: "Ended", outcome: "completed" }]
    for (const state of states) {
      for (const delivered of [true, false]) {
        assert.deepStrictEqual(decide({ delivered, abortRequested: true }, state), { outcome: "aborted" })
      }
    }
  })
})

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}

const parts: PromptRecord["parts"] = (streamed) =>
  streamed.map(({ kind, text }, index) => ({ index, kind, payload: JSON.stringify({ text }) }))

/** OpenCode as far as prompts go: what it has of each, by the prompt's id. */
const records = (known: ReadonlyMap<string, PromptState>): SettlementSource => ({
  find: ({ messageId }) => Effect.succeed({ state: known.get(messageId) ?? absent, parts })
})

layer(Deployment.layer, { excludeTestServices: true })("settlement", (test) => {
  test.effect("brings each turn that an earlier process left to its one end, and queues what nobody began", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const convex = yield* connection()
      const credentials = yield* pair(operator)
      const under = (processId: string) =>
        Layer.provideMerge(
          Layer.mergeAll(Inbox.layer(), DeltaWriter.layer()),
          Lease.layer(credentials, { processId })
        ).pipe(Layer.provide(Layer.succeed(ConvexClient, convex)))
      const send = Effect.fnUntraced(function* (key: string) {
        const { workerId } = credentials
        const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: key })
        const turnId = yield* operator.mutation(api.turns.send, { sessionId, text: key, idempotencyKey: key })
        return { key, sessionId, turnId }
      })
      const turns = yield* Effect.forEach(["finished", "cut", "fresh", "stopped"], send)

      yield* Effect.gen(function* () {
        const { claim } = yield* Inbox
        const { append, flush } = yield* DeltaWriter
        const { mutation } = yield* Lease
        for (const { key, sessionId, turnId } of turns) {
          assert.isTrue(yield* claim(turnId, { messageId: `msg_${key}`, partId: "prt_1" }))
          yield* mutation(api.sessions.bind, { sessionId, opencodeSessionId: `ses_${key}` })
          if (key === "fresh") continue
          yield* mutation(api.queue.deliver, { turnId })
          yield* append(turnId, { partId: "p", kind: "text", text: `so far ${key}` })
          yield* flush(turnId)
        }
      }).pipe(Effect.provide(under("earlier")))
      const stopped = turns.find(({ key }) => key === "stopped")
      assert.exists(stopped)
      yield* operator.mutation(api.turns.abort, { turnId: stopped.turnId, idempotencyKey: "stop" })

      const source = records(
        new Map<string, PromptState>([
          ["msg_finished", { _tag: "Ended", outcome: "completed" }],
          ["msg_cut", { _tag: "Unfinished" }],
          ["msg_stopped", { _tag: "Ended", outcome: "completed" }]
        ])
      )
      const settleAll = Effect.flatMap(Settlement, (settlement) => settlement.settleAll(Effect.succeed([])))
      yield* Effect.andThen(settleAll, settleAll).pipe(
        Effect.provide(Layer.provideMerge(Settlement.layer(source), under("later")))
      )

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

describe("a turn that cannot be settled", () => {
  const unsettled = (name: string) => ({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an id is a string to whoever does not look it up
    turnId: name as TurnId,
    messageId: `msg_${name}`,
    opencodeSessionId: "ses",
    ...turn
  })
  type TurnId = Parameters<Parameters<typeof Settlement.make>[1]["requeue"]>[0]

  it.effect("holds up no other, and is tried again until it can", () =>
    Effect.gen(function* () {
      const left = new Map(["a", "b"].map((name) => [unsettled(name).turnId, unsettled(name)]))
      const ended: Array<readonly [string, TurnResult.TurnResult["outcome"]]> = []
      const state = { away: true }
      const { settleAll } = Settlement.make(
        {
          find: ({ messageId }) =>
            state.away && messageId === "msg_a"
              ? Effect.fail(new Away({ message: "The server is away" }))
              : Effect.succeed({ state: { _tag: "Ended", outcome: "completed" }, parts: () => [] })
        },
        {
          unsettled: () => Effect.sync(() => [...left.values()]),
          streamed: () => Effect.succeed([]),
          requeue: () => Effect.void,
          finish: (turnId, { outcome }) =>
            Effect.sync(() => {
              left.delete(turnId)
              ended.push([turnId, outcome])
            })
        }
      )
      const fiber = yield* Effect.forkChild(settleAll(Effect.succeed([])))
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

  it.effect("is left alone while it runs here, also if it has begun since it was asked for", () =>
    Effect.gen(function* () {
      const own = unsettled("own")
      const asked: Array<ReadonlyArray<string>> = []
      const { settleAll } = Settlement.make(
        { find: () => Effect.die("asked") },
        {
          unsettled: (running) =>
            Effect.sync(() => {
              asked.push(running)
              return [own]
            }),
          streamed: () => Effect.succeed([]),
          requeue: () => Effect.void,
          finish: () => Effect.die("ended")
        }
      )
      let looks = 0
      yield* settleAll(Effect.sync(() => (++looks === 1 ? [] : [own.turnId])))
      assert.deepStrictEqual(asked, [[]])
    })
  )
})

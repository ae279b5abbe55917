import { assert, describe, it, layer } from "@effect/vitest"
import type { Id } from "@opencode-worker/convex-backend/api"
import { Data, Effect, Fiber, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { api, ConvexSyncError, DeltaWriter, History, Lease } from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}

const ended = (id: string, answers: ReadonlyArray<string>, size = 0): History.EndedTurn => ({
  text: id,
  askedAt: 1,
  finishedAt: 2,
  outcome: "completed",
  parts: answers.map((text, index) => ({ index, kind: "text", payload: JSON.stringify({ text: text.padEnd(size) }) }))
})

/** A session of `prompts`, each with one answer, read a few turns at a time. */
const sessionOf = (
  prompts: ReadonlyArray<string>,
  options: { readonly perPage?: number; readonly size?: number; readonly hidden?: ReadonlyArray<string> } = {}
) => {
  const turns = prompts.map((id): History.ListedTurn => ({
    id,
    ended: Option.some(ended(id, [`answer to ${id}`], options.size))
  }))
  const perPage = options.perPage ?? 7
  const state = { away: false, pages: 0 }
  const source: History.HistorySource<Away> = {
    // Prompts that it has, and lists as a part of another turn.
    has: (id) => Effect.succeed([...prompts, ...(options.hidden ?? [])].includes(id)),
    partIds: (id) => Effect.succeed([`prt_of_${id}`]),
    turns: Stream.paginate(turns.length, (to: number) =>
      Effect.suspend(() => {
        if (state.away) return Effect.fail(new Away({ message: "OpenCode is away" }))
        state.pages += 1
        const from = Math.max(0, to - perPage)
        return Effect.succeed([turns.slice(from, to).toReversed(), from === 0 ? Option.none() : Option.some(from)])
      })
    )
  }
  return { source, state }
}

/** A store that records its calls. `answer` returns the result of each `add`, counted from 1. */
const makeStore = (answer: (call: number) => Effect.Effect<void, ConvexSyncError> = () => Effect.void) => {
  const turns: Array<History.HistoryTurn> = []
  const calls: Array<number> = []
  const shrunk: Array<readonly [string, ReadonlyArray<string>]> = []
  /** Two turns in a page. `recorded` is false for a prompt whose name ends in `?`: it never reached the agent. */
  const page = (from: number) => ({
    turns: turns.slice(from, from + 2).map(({ messageId, parts }) => ({
      messageId,
      recorded: !messageId.endsWith("?"),
      completed: true,
      parts: parts.length
    })),
    before: from + 2 < turns.length ? from + 2 : null
  })
  const store: History.HistoryStore = {
    running: Effect.succeed(null),
    mirrored: (before) => Effect.sync(() => page(before ?? 0)),
    forgetPrompts: (ids) =>
      Effect.sync(() => turns.splice(0, turns.length, ...turns.filter(({ messageId }) => !ids.includes(messageId)))),
    keepParts: (id, partIds) => Effect.sync(() => shrunk.push([id, partIds])),
    prepare: Effect.succeed,
    add: (added) =>
      Effect.suspend(() => answer(calls.push(added.length))).pipe(
        Effect.andThen(Effect.sync(() => turns.push(...added)))
      )
  }
  return { store, shrunk, turns, calls, ids: () => turns.map(({ messageId }) => messageId) }
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `p${index}`)
const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "history:add", reason })

describe("History", () => {
  it.effect("adds each turn once, newest first, ten per call, also when it is repeated", () =>
    Effect.gen(function* () {
      const { source, state } = sessionOf(names(25))
      const { calls, ids, store, turns } = makeStore()
      assert.strictEqual(yield* History.loadBetween(source, store), 25)
      assert.deepStrictEqual([ids(), calls], [names(25).toReversed(), [10, 10, 5]])
      assert.deepStrictEqual([turns[0]?.newerId, turns[1]?.newerId], [undefined, "p24"])
      assert.strictEqual(state.pages, 4)
      assert.strictEqual(yield* History.loadBetween(source, store), 0)
      assert.strictEqual(calls.length, 3)
    })
  )

  it.effect("resumes after an interruption", () =>
    Effect.gen(function* () {
      const { source } = sessionOf(names(25))
      const refused = failure(new ConvexClientReason.Rejected({ code: "Conflict", message: "no", data: null }))
      const { ids, store } = makeStore((call) => (call === 2 ? Effect.fail(refused) : Effect.void))
      assert.strictEqual(yield* Effect.flip(History.loadBetween(source, store)), refused)
      assert.strictEqual(ids().length, 10)
      assert.strictEqual(yield* History.loadBetween(source, store), 15)
      assert.deepStrictEqual(ids(), names(25).toReversed())
    })
  )

  it.effect("waits for an unreachable deployment, and fails if OpenCode is unavailable", () =>
    Effect.gen(function* () {
      const { source, state } = sessionOf(names(3))
      const away = failure(new ConvexClientReason.Unreachable({ millis: 1 }))
      const { ids, store } = makeStore((call) => (call < 4 ? Effect.fail(away) : Effect.void))
      const loading = yield* Effect.forkChild(History.loadBetween(source, store))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* Fiber.join(loading), 3)
      assert.strictEqual(ids().length, 3)
      state.away = true
      assert.strictEqual((yield* Effect.flip(History.loadBetween(source, store)))._tag, "Away")
    })
  )

  it.effect("removes turns that the agent no longer has, and keeps prompts that never reached it", () =>
    Effect.gen(function* () {
      const { ids, store } = makeStore()
      yield* History.loadBetween(sessionOf(["p0", "p1", "p2", "never?", "folded", "p3"]).source, store)
      yield* History.loadBetween(sessionOf(["p0", "p2", "p4"], { hidden: ["folded"] }).source, store)
      assert.deepStrictEqual(ids().toSorted(), ["folded", "never?", "p0", "p2", "p4"])
    })
  )

  it.effect("removes parts of turns that have become shorter, and reads no other turn", () =>
    Effect.gen(function* () {
      const { shrunk, store, turns } = makeStore()
      const { source } = sessionOf(names(3))
      yield* History.loadBetween(source, store)
      const [, middle] = turns
      if (middle === undefined) return assert.fail("There is none")
      turns[1] = { ...middle, parts: [...middle.parts, { index: 1, kind: "text", payload: '{"text":"more"}' }] }
      yield* History.loadBetween(source, store)
      assert.deepStrictEqual(shrunk, [["p1", ["prt_of_p1"]]])
    })
  )

  it.effect("keeps each call within the backend's limit", () =>
    Effect.gen(function* () {
      const { source } = sessionOf(names(5), { size: 1_400_000 })
      const { calls, store } = makeStore()
      yield* History.loadBetween(source, store)
      assert.deepStrictEqual(calls, [2, 2, 1])
    })
  )

  it.effect("sends at most 500 parts of several turns in a call, and a longer turn alone", () =>
    Effect.gen(function* () {
      const sizes = [1_500, 250, 250, 1]
      const listed = sizes.map((size, index): History.ListedTurn => ({
        id: `p${index}`,
        ended: Option.some(ended(`p${index}`, names(size)))
      }))
      const { calls, store } = makeStore()
      yield* History.loadBetween({ ...sessionOf([]).source, turns: Stream.fromIterable(listed) }, store)
      assert.deepStrictEqual(calls, [1, 2, 1])
    })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("History over a deployment", (test) => {
  /** A worker with a session without prompts. */
  const setUp = Effect.fnUntraced(function* (subject: string) {
    const operator = yield* connection(subject)
    const credentials = yield* pair(operator)
    const { workerId } = credentials
    const sessionId = yield* operator.mutation(api.sessions.create, { workerId, idempotencyKey: "s" })
    const services = Layer.provideMerge(
      DeltaWriter.layer(),
      Layer.fresh(Lease.layer(credentials, { processId: "p" }))
    ).pipe(Layer.provide(Layer.succeed(ConvexClient, operator)))
    const turns = Stream.paginate(null as string | null, (cursor) =>
      operator
        .query(api.turns.list, { sessionId, paginationOpts: { numItems: 20, cursor } })
        .pipe(
          Effect.map(({ continueCursor, isDone, page }) => [page, isDone ? Option.none() : Option.some(continueCursor)])
        )
    ).pipe(Stream.runCollect)
    const send = (text: string) => operator.mutation(api.turns.send, { sessionId, text, idempotencyKey: text })
    const firstPart = (turnId: Id<"turns">) =>
      operator
        .query(api.turns.parts, { turnId, paginationOpts: { numItems: 1, cursor: null } })
        .pipe(Effect.map(({ page }) => page[0]))
    return {
      operator,
      firstPart,
      sessionId,
      services,
      turns,
      send,
      texts: Effect.map(turns, (all) => all.map(({ head }) => head))
    }
  })

  test.effect("imports 1,200 messages as 600 turns, exactly once and in order, also with two concurrent loads", () =>
    Effect.gen(function* () {
      const { firstPart, sessionId, services, turns } = yield* setUp("ann")
      const { source } = sessionOf(names(600), { perPage: 50 })
      yield* Effect.gen(function* () {
        const counts = yield* Effect.all([History.load(sessionId, source), History.load(sessionId, source)], {
          concurrency: 2
        })
        assert.isAtLeast(counts[0] + counts[1], 600)
        assert.strictEqual(yield* History.load(sessionId, source), 0)
      }).pipe(Effect.provide(services))
      const all = yield* turns
      assert.deepStrictEqual(
        all.map(({ head }) => head),
        names(600)
      )
      const [first] = all
      if (first === undefined) return assert.fail("There is none")
      const part = yield* firstPart(first.turnId)
      assert.strictEqual(part?.payload, JSON.stringify({ text: "answer to p0" }))
    })
  )

  test.effect("imports the turns before and after a prompt of the operator, also while it runs", () =>
    Effect.gen(function* () {
      const { sessionId, services, send, texts } = yield* setUp("bob")
      yield* Effect.gen(function* () {
        const { mutation } = yield* Lease
        const turnId = yield* send("p3")
        yield* send("waits")
        yield* mutation(api.queue.claim, { turnId, messageId: "p3", partId: "prt_1" })
        yield* mutation(api.queue.markDelivered, { turnId })
        yield* History.load(sessionId, sessionOf(names(6)).source)
        assert.deepStrictEqual(yield* texts, ["p0", "p1", "p2", "p3", "p4", "p5", "waits"])
        yield* mutation(api.queue.finish, { turnId, outcome: "completed", parts: [] })
        assert.strictEqual(yield* History.load(sessionId, sessionOf(names(6)).source), 0)
      }).pipe(Effect.provide(services))
      assert.strictEqual((yield* texts).length, 7)
    })
  )

  test.effect("imports turns before a claimed prompt", () =>
    Effect.gen(function* () {
      const { sessionId, services, send, texts } = yield* setUp("fay")
      yield* Effect.gen(function* () {
        const { mutation } = yield* Lease
        const turnId = yield* send("new")
        yield* mutation(api.queue.claim, { turnId, messageId: "new", partId: "prt_1" })
        yield* History.load(sessionId, sessionOf(names(3)).source)
      }).pipe(Effect.provide(services))
      assert.deepStrictEqual(yield* texts, ["p0", "p1", "p2", "new"])
    })
  )

  test.effect("stores a part of 2 MB completely", () =>
    Effect.gen(function* () {
      const { firstPart, sessionId, services, turns } = yield* setUp("cid")
      const { source } = sessionOf(["big"], { size: 2_000_000 })
      yield* Effect.provide(History.load(sessionId, source), services)
      const [turn] = yield* turns
      if (turn === undefined) return assert.fail("There is none")
      const part = yield* firstPart(turn.turnId)
      assert.strictEqual(part?.payload, JSON.stringify({ text: "answer to big".padEnd(2_000_000) }))
    })
  )

  test.effect("rejects a session of another operator", () =>
    Effect.gen(function* () {
      const mine = yield* setUp("dan")
      const theirs = yield* setUp("eve")
      const { source } = sessionOf(names(1))
      const error = yield* History.load(theirs.sessionId, source).pipe(Effect.provide(mine.services), Effect.flip)
      assert.deepInclude(error, { _tag: "ConvexClientError" })
      assert.match(error.message, /no such session/)
    })
  )
})

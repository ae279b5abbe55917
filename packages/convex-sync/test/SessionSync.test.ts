import { isDeepStrictEqual } from "node:util"
import { assert, describe, it, layer } from "@effect/vitest"
import { Data, Effect, Fiber, Layer, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  api,
  ConvexSyncError,
  Lease,
  type SessionEvent,
  type SessionMerge,
  type SessionSource,
  SessionSync
} from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

class Away extends Data.TaggedError("Away")<{ readonly message: string }> {}

const session = (id: string, updated = 1_000_000, title = id): SessionMerge.Listed => ({ id, title, updated })
const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "sync:apply", reason })
const broken = failure(new ConvexClientReason.FunctionFailed({ message: "Server Error" }))

/** The sessions of a fake OpenCode. */
const makeSource = Effect.gen(function* () {
  const events = yield* Queue.unbounded<SessionEvent>()
  const sessions = new Map<string, SessionMerge.Listed>()
  const lists: Array<number | undefined> = []
  const state = { away: false }
  /** The prompts that it no longer has, and the prompts that it was asked for. */
  const gone = new Set<string>()
  const looked: Array<string> = []
  const source: SessionSource = {
    record: {
      has: (_, messageId) =>
        Effect.suspend(() => {
          looked.push(messageId)
          return state.away
            ? Effect.fail(new Away({ message: "OpenCode is away" }))
            : Effect.succeed(!gone.has(messageId))
        }),
      partIds: (_, messageId) => Effect.succeed([`prt_of_${messageId}`])
    },
    events: Stream.fromQueue(events),
    list: (since) =>
      Effect.suspend(() => {
        if (state.away) return Effect.fail(new Away({ message: "OpenCode is away" }))
        lists.push(since)
        return Effect.succeed([...sessions.values()].filter(({ updated }) => since === undefined || updated >= since))
      })
  }
  return { gone, looked, source, sessions, lists, state, say: (event: SessionEvent) => Queue.offer(events, event) }
})

/**
 * Syncs with a store that records its calls, starting with the sessions that an earlier process `synced`. `answer` returns
 * the result of each `apply`, counted from 1.
 */
const setUp = Effect.fnUntraced(function* (
  options: {
    readonly watermark?: number
    readonly synced?: ReadonlyArray<SessionMerge.Listed>
    /** The failure of every comparison. */
    readonly unasked?: ConvexSyncError
    /** The result of each `forget`, counted from 1. */
    readonly forget?: (call: number) => Effect.Effect<void, ConvexSyncError>
    /** The prompts of the deployment's turns in each session, newest first. */
    readonly mirror?: Readonly<Record<string, ReadonlyArray<string>>>
  } = {},
  answer: (call: number) => Effect.Effect<void, ConvexSyncError> = () => Effect.void
) {
  const opencode = yield* makeSource
  const applied: Array<SessionMerge.Batch> = []
  const forgotten: Array<string> = []
  const asked: Array<number> = []
  const has = new Map(options.synced?.map((each) => [each.id, each]))
  let [calls, forgets] = [0, 0]
  const removed: Array<readonly [string, ReadonlyArray<string>]> = []
  /** The sessions whose turns were read, once per page, and the turns whose parts were compared. */
  const pages: Array<string> = []
  const compared: Array<readonly [string, ReadonlyArray<string>]> = []
  const store: SessionSync.SessionStore = {
    watermark: Effect.succeed(options.watermark ?? 0),
    outdated: (sessions) =>
      Effect.suspend(() => {
        asked.push(sessions.length)
        if (options.unasked !== undefined) return Effect.fail(options.unasked)
        return Effect.succeed(sessions.flatMap((each) => (isDeepStrictEqual(has.get(each.id), each) ? [] : [each.id])))
      }),
    apply: (batch) =>
      Effect.andThen(
        Effect.suspend(() => answer(++calls)),
        Effect.sync(() => {
          applied.push(batch)
          for (const each of batch.sessions) has.set(each.id, each)
        })
      ),
    forget: (ids) =>
      Effect.andThen(
        Effect.suspend(() => options.forget?.(++forgets) ?? Effect.void),
        Effect.sync(() => forgotten.push(...ids))
      ),
    turnsOf: (id) => ({
      mirrored: (from = 0) =>
        Effect.sync(() => {
          pages.push(id)
          const all = options.mirror?.[id] ?? []
          const page = all.slice(from, from + 10)
          const turns = page.map((messageId) => ({ messageId, recorded: true, completed: true, parts: 1 }))
          return { turns, before: from + 10 < all.length ? from + 10 : null }
        }),
      forgetPrompts: (messageIds) => Effect.sync(() => removed.push([id, messageIds])),
      keepParts: (messageId, partIds) => Effect.sync(() => compared.push([messageId, partIds]))
    })
  }
  return {
    ...opencode,
    asked,
    forgotten,
    removed,
    pages,
    compared,
    ids: () => applied.flatMap(({ sessions }) => sessions.map(({ id }) => id)),
    applied,
    start: Effect.forkChild(SessionSync.runBetween(opencode.source, store))
  }
})

/** The ids of prompts, newest first. */
const newest = (count: number) => Array.from({ length: count }, (_, index) => `msg_${count - index}`)

describe("SessionSync", () => {
  it.effect("starts a little before the watermark of an earlier process", () =>
    Effect.gen(function* () {
      const { applied, ids, lists, sessions, start } = yield* setUp({ watermark: 1_000_000 })
      sessions.set("old", session("old", 900_000)).set("new", session("new", 1_000_500))
      yield* start
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([lists, ids()], [[985_000], ["new"]])
      assert.strictEqual(applied[0]?.watermark, 1_000_500)
    })
  )

  it.effect("lists every 30 seconds during changes, and less and less often without changes", () =>
    Effect.gen(function* () {
      const { applied, lists, sessions, start } = yield* setUp()
      yield* start
      yield* TestClock.adjust("55 minutes")
      const quiet = lists.length
      assert.isAtMost(quiet, 15)
      assert.deepStrictEqual(applied, [])
      for (let minute = 0; minute < 10; minute++) {
        sessions.set("a", session("a", 2_000_000 + minute * 60_000))
        yield* TestClock.adjust("1 minute")
      }
      assert.isAtLeast(lists.length - quiet, 9)
    })
  )

  it.effect("sends new sessions, new titles and deletions at once", () =>
    Effect.gen(function* () {
      const { forgotten, applied, say, start } = yield* setUp()
      yield* start
      yield* TestClock.adjust("1 second")
      yield* say({ _tag: "Changed", session: session("a") })
      yield* say({ _tag: "Changed", session: session("a", 1_000_000, "renamed") })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(applied, [{ sessions: [session("a", 1_000_000, "renamed")], watermark: undefined }])
      yield* say({ _tag: "Deleted", id: "a" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(forgotten, ["a"])
    })
  )

  it.effect("reports archived sessions, and undone, restored or removed turns, at once", () =>
    Effect.gen(function* () {
      const { applied, removed, say, start } = yield* setUp()
      yield* start
      yield* TestClock.adjust("1 second")
      const states: ReadonlyArray<SessionMerge.Listed> = [
        session("a"),
        { ...session("a"), revertedFrom: "msg_2" },
        session("a"),
        { ...session("a"), archived: true }
      ]
      for (const state of states) {
        yield* say({ _tag: "Changed", session: state })
        yield* TestClock.adjust("1 second")
      }
      yield* say({ _tag: "Changed", session: { ...session("a", 2_000_000), archived: true } })
      const message = { opencodeSessionId: "a", messageId: "msg_2" }
      yield* say({ _tag: "MessageRemoved", message })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(
        applied.flatMap(({ sessions }) => sessions),
        states
      )
      assert.deepStrictEqual(removed, [["a", ["msg_2"]]])
    })
  )

  describe("SessionSync after changes that no worker saw", () => {
    it.effect(
      "removes the turns that OpenCode has removed from sessions that changed, and reads no other session",
      () =>
        Effect.gen(function* () {
          const { compared, gone, looked, pages, removed, sessions, start } = yield* setUp({
            watermark: 1_000_000,
            synced: [session("same", 999_000)],
            mirror: { changed: newest(25), same: newest(25) }
          })
          sessions.set("same", session("same", 999_000)).set("changed", session("changed", 2_000_000))
          // An undo of 12 turns, and a new prompt.
          for (const id of newest(25).slice(0, 12)) gone.add(id)
          yield* start
          yield* TestClock.adjust("1 hour")
          assert.deepStrictEqual(removed, [
            ["changed", newest(25).slice(0, 10)],
            ["changed", newest(25).slice(10, 12)]
          ])
          assert.deepStrictEqual([pages, looked.length], [["changed", "changed"], 20])
          assert.deepStrictEqual(compared, [
            ["msg_13", ["prt_of_msg_13"]],
            ["msg_12", ["prt_of_msg_12"]]
          ])
        })
    )

    it.effect("compares nothing at the first sync, and later only after a gap or a removed part", () =>
      Effect.gen(function* () {
        const { compared, pages, say, sessions, start } = yield* setUp({ mirror: { a: ["msg_1"] } })
        sessions.set("a", session("a"))
        yield* start
        yield* TestClock.adjust("1 minute")
        sessions.set("a", session("a", 2_000_000))
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(pages, [])
        yield* say({ _tag: "PartRemoved", id: "a" })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([pages, compared], [["a"], [["msg_1", ["prt_of_msg_1"]]]])
        sessions.set("a", session("a", 3_000_000))
        yield* say({ _tag: "Gap" })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(pages, ["a", "a"])
      })
    )

    it.effect("compares again after OpenCode was unavailable", () =>
      Effect.gen(function* () {
        const { gone, removed, say, start, state } = yield* setUp({ mirror: { a: newest(2) } })
        yield* start
        yield* TestClock.adjust("1 second")
        gone.add("msg_2")
        state.away = true
        yield* say({ _tag: "PartRemoved", id: "a" })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(removed, [])
        state.away = false
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(removed, [["a", ["msg_2"]]])
      })
    )
  })

  it.effect("clamps sessions to the limits of the backend", () =>
    Effect.gen(function* () {
      const { applied, sessions, start } = yield* setUp()
      sessions.set("a", { ...session("a", 1_000, "x".repeat(600)), createdForSessionId: "x".repeat(600) })
      sessions.set("b", { ...session("b", 2_000, ""), createdForSessionId: "x".repeat(500) })
      yield* start
      yield* TestClock.adjust("1 second")
      const synced = [
        session("a", 1_000, "x".repeat(500)),
        { ...session("b", 2_000, "Untitled"), createdForSessionId: "x".repeat(500) }
      ]
      assert.deepStrictEqual(applied, [{ sessions: synced, watermark: 2_000 }])
    })
  )

  it.effect("does not delete a session that is missing in a list", () =>
    Effect.gen(function* () {
      const { forgotten, sessions, start } = yield* setUp()
      sessions.set("a", session("a"))
      yield* start
      yield* TestClock.adjust("1 second")
      sessions.clear()
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(forgotten, [])
    })
  )

  it.effect("finds a rename without an event within an hour", () =>
    Effect.gen(function* () {
      const { applied, sessions, start } = yield* setUp()
      sessions.set("a", session("a")).set("later", session("later", 9_000_000))
      yield* start
      yield* TestClock.adjust("1 minute")
      sessions.set("a", session("a", 1_000_000, "renamed"))
      yield* TestClock.adjust("70 minutes")
      assert.deepStrictEqual(applied.at(-1)?.sessions, [session("a", 1_000_000, "renamed")])
      assert.strictEqual(applied.length, 2)
    })
  )

  describe("SessionSync after an earlier process synced 1,250 sessions", () => {
    const synced = Array.from({ length: 1_250 }, (_, index) => session(`${index}`, 1_000_000 + index * 1_000))
    const earlier = { synced, watermark: 2_249_000 }
    const renamed = session("7", 1_007_000, "renamed")

    it.effect("compares each session once, and sends those that changed meanwhile", () =>
      Effect.gen(function* () {
        const { applied, asked, sessions, start } = yield* setUp(earlier)
        for (const each of [...synced, renamed]) sessions.set(each.id, each)
        yield* start
        yield* TestClock.adjust("30 minutes")
        assert.deepStrictEqual([asked, applied], [[16], []])
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(asked, [16, 1_000, 234])
        assert.deepStrictEqual(applied, [{ sessions: [renamed], watermark: 1_007_000 }])
      })
    )

    it.effect("sends all sessions if the deployment rejects the comparison", () =>
      Effect.gen(function* () {
        const unasked = failure(new ConvexClientReason.FunctionFailed({ message: "There is no such function" }))
        const { ids, sessions, start } = yield* setUp({ ...earlier, unasked })
        for (const each of synced) sessions.set(each.id, each)
        yield* start
        yield* TestClock.adjust("2 hours")
        assert.sameMembers(
          ids(),
          synced.map(({ id }) => id)
        )
      })
    )

    it.effect("ends when a comparison reports that the lease is lost", () =>
      Effect.gen(function* () {
        const unasked = failure(new ConvexClientReason.Rejected({ code: "Fenced", message: "no", data: null }))
        const { applied, sessions, start } = yield* setUp({ ...earlier, unasked })
        sessions.set("1249", session("1249", 2_249_000))
        const fiber = yield* start
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), unasked)
        assert.deepStrictEqual(applied, [])
      })
    )
  })

  it.effect("compares the forgotten sessions of 6,000 with each full list, and sends none again", () =>
    Effect.gen(function* () {
      const { applied, asked, sessions, start } = yield* setUp()
      for (let index = 0; index < 6_000; index++)
        sessions.set(`${index}`, session(`${index}`, 1_000_000 + index * 1_000))
      yield* start
      yield* TestClock.adjust("30 minutes")
      assert.deepStrictEqual([asked.length, applied.length], [0, 60])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual([asked, applied.length], [[1_000, 1_000], 60])
    })
  )

  it.effect("lists at once after a gap", () =>
    Effect.gen(function* () {
      const { ids, lists, sessions, say, start } = yield* setUp()
      yield* start
      yield* TestClock.adjust("1 second")
      sessions.set("missed", session("missed"))
      yield* say({ _tag: "Gap" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([lists.length, ids()], [2, ["missed"]])
    })
  )

  it.effect("continues after OpenCode or the deployment was unavailable", () =>
    Effect.gen(function* () {
      const away = failure(new ConvexClientReason.Unreachable({ millis: 1 }))
      const { ids, sessions, start, state } = yield* setUp({}, (call) => (call < 3 ? Effect.fail(away) : Effect.void))
      state.away = true
      sessions.set("a", session("a"))
      yield* start
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(ids(), [])
      state.away = false
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(ids(), ["a"])
    })
  )

  it.effect("holds the watermark back after a rejected batch, and sends the batch again", () =>
    Effect.gen(function* () {
      const refused = failure(new ConvexClientReason.Rejected({ code: "InvalidArgument", message: "no", data: null }))
      const { ids, sessions, start } = yield* setUp({}, (call) => (call === 1 ? Effect.fail(refused) : Effect.void))
      for (let index = 0; index < 150; index++) sessions.set(`${index}`, session(`${index}`, 1_000_000 + index))
      yield* start
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(ids(), [])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(new Set(ids()).size, 150)
    })
  )

  it.effect("retries a rejected rename of a full list before the next full list", () =>
    Effect.gen(function* () {
      const { applied, sessions, start } = yield* setUp({}, (call) => (call === 2 ? Effect.fail(broken) : Effect.void))
      sessions.set("a", session("a")).set("later", session("later", 9_000_000))
      yield* start
      yield* TestClock.adjust("1 minute")
      sessions.set("a", session("a", 1_000_000, "renamed"))
      yield* TestClock.adjust("70 minutes")
      assert.deepStrictEqual(applied.at(-1)?.sessions, [session("a", 1_000_000, "renamed")])
    })
  )

  it.effect("retries a rejected deletion once", () =>
    Effect.gen(function* () {
      const { forgotten, say, start } = yield* setUp({
        forget: (call) => (call < 3 ? Effect.fail(broken) : Effect.void)
      })
      yield* start
      yield* TestClock.adjust("1 second")
      yield* say({ _tag: "Deleted", id: "a" })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(forgotten, [])
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(forgotten, ["a"])
    })
  )

  it.effect("ends when the lease is lost", () =>
    Effect.gen(function* () {
      const fenced = failure(new ConvexClientReason.Rejected({ code: "Fenced", message: "no", data: null }))
      const { sessions, start } = yield* setUp({}, () => Effect.fail(fenced))
      sessions.set("a", session("a"))
      const fiber = yield* start
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Effect.flip(Fiber.join(fiber)), fenced)
    })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("SessionSync over a deployment", (test) => {
  test.effect("shows sessions of OpenCode's own terminal to the operator until they are deleted", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const credentials = yield* pair(operator)
      const { workerId } = credentials
      const { say, sessions, source } = yield* makeSource
      const titles = (count: number) =>
        operator.subscribe(api.sessions.list, { workerId, paginationOpts: { numItems: 100, cursor: null } }).pipe(
          Stream.map(({ page }) => page.map(({ title }) => title)),
          Stream.filter((page) => page.length === count),
          Stream.runHead
        )
      sessions.set("ses_1", session("ses_1", 1_000, "Before"))
      yield* Effect.forkScoped(
        SessionSync.run(source).pipe(
          Effect.provide(Layer.fresh(Lease.layer(credentials, { processId: "p" }))),
          Effect.provideService(ConvexClient, operator)
        )
      )
      assert.deepInclude(yield* titles(1), { value: ["Before"] })
      yield* say({ _tag: "Changed", session: session("ses_2", 2_000, "Now") })
      assert.deepInclude(yield* titles(2), { value: ["Now", "Before"] })
      yield* say({ _tag: "Deleted", id: "ses_1" })
      assert.deepInclude(yield* titles(1), { value: ["Now"] })
    })
  )

  test.effect("sends, in a new process, only the renamed ones of 250 sessions, in one call", () =>
    Effect.gen(function* () {
      const operator = yield* connection("bob")
      const credentials = yield* pair(operator)
      const { sessions, source } = yield* makeSource
      for (let index = 0; index < 250; index++) {
        const id = `ses_${index}`
        sessions.set(id, session(id, 1_000_000 + index * 1_000, "Before"))
      }
      /** The calls of one process until its second list begins; by then the first list is synced. */
      const firstList = Effect.gen(function* () {
        const lease = yield* Lease
        const calls: Array<string> = []
        const counted = <A, E, R>(call: Effect.Effect<A, E, R>, name: string, rows: number) =>
          Effect.tap(call, () => Effect.sync(() => calls.push(`${name} ${rows}`)))
        const store = SessionSync.storeOf(lease)
        const lists = yield* Queue.unbounded<void>()
        yield* SessionSync.runBetween(
          { ...source, list: (since) => Effect.tap(source.list(since), () => Queue.offer(lists, undefined)) },
          {
            ...store,
            outdated: (asked) => counted(store.outdated(asked), "outdated", asked.length),
            apply: (batch) => counted(store.apply(batch), "apply", batch.sessions.length)
          },
          { interval: "1 millis", fullInterval: 0 }
        ).pipe(Effect.raceFirst(Effect.andThen(Queue.take(lists), Queue.take(lists))))
        return calls
      }).pipe(
        Effect.provide(Layer.fresh(Lease.layer(credentials, { processId: "p" }))),
        Effect.provideService(ConvexClient, operator)
      )
      assert.deepStrictEqual(yield* firstList, ["apply 100", "apply 100", "apply 50"])
      assert.deepStrictEqual(yield* firstList, ["outdated 250"])
      sessions.set("ses_3", session("ses_3", 1_003_000, "Renamed"))
      assert.deepStrictEqual(yield* firstList, ["outdated 250", "apply 1"])
      assert.deepStrictEqual(yield* firstList, ["outdated 250"])
    })
  )
})

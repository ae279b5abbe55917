import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { SessionMerge } from "../src/index.ts"

const Id = Schema.Literals(["a", "b", "c", "d", "e"])
/** A change of a session, or of the connection. `heard`: the event arrives. */
const Happening = Schema.Union([
  Schema.Struct({ kind: Schema.Literals(["work"]), id: Id, heard: Schema.Boolean }),
  Schema.Struct({ kind: Schema.Literals(["rename"]), id: Id, title: Schema.String, heard: Schema.Boolean }),
  Schema.Struct({ kind: Schema.Literals(["list"]) }),
  Schema.Struct({ kind: Schema.Literals(["restart"]) })
])
const History = Schema.Array(Happening)

type Session = SessionMerge.Listed

/** A synced list. */
interface Pass {
  readonly listed: ReadonlyArray<Session>
  readonly batches: ReadonlyArray<SessionMerge.Batch>
  /** The sessions that the deployment had before, and its watermark. */
  readonly had: ReadonlyMap<string, Session>
  readonly watermark: number
}

/** OpenCode, the deployment, and a merge state with a memory of only two sessions beyond the required ones. */
const makeWorld = () => {
  const opencode = new Map<string, Session>()
  const deployment = new Map<string, Session>()
  const calls: Array<SessionMerge.Batch> = []
  const passes: Array<Pass> = []
  let [state, clock, watermark] = [SessionMerge.begin(0), 100_000, 0]
  const push = (batches: ReadonlyArray<SessionMerge.Batch>) => {
    for (const batch of batches) {
      calls.push(batch)
      for (const session of batch.sessions) deployment.set(session.id, session)
      watermark = Math.max(watermark, batch.watermark ?? 0)
      state = SessionMerge.markSynced(state, batch)
    }
  }
  const changed = (session: Session, heard: boolean) => {
    opencode.set(session.id, session)
    if (heard) push(SessionMerge.batchesOfEvents(state, [session]))
  }
  const list = (from: number | undefined) => {
    const sessions = [...opencode.values()].filter(({ updated }) => from === undefined || updated >= from)
    for (const question of SessionMerge.comparisons(state, sessions)) {
      const outdated = question.filter((session) => !isDeepStrictEqual(deployment.get(session.id), session))
      state = SessionMerge.compared(
        state,
        question,
        outdated.map(({ id }) => id)
      )
    }
    const batches = SessionMerge.batchesOfList(state, sessions.toReversed())
    passes.push({ listed: sessions, batches, had: new Map(deployment), watermark })
    push(batches)
    state = SessionMerge.evictOldest(state, 2)
  }
  return {
    opencode,
    deployment,
    calls,
    passes,
    restart: () => void (state = SessionMerge.begin(watermark)),
    listAll: () => list(undefined),
    list: () => list(SessionMerge.since(state)),
    run: (history: typeof History.Type) => {
      for (const each of history) {
        clock += 7_000
        if (each.kind === "list") list(SessionMerge.since(state))
        else if (each.kind === "restart") state = SessionMerge.begin(watermark)
        else if (each.kind === "work") {
          changed({ id: each.id, title: opencode.get(each.id)?.title ?? "", updated: clock }, each.heard)
        } else {
          const session = opencode.get(each.id)
          if (session !== undefined) changed({ ...session, title: each.title }, each.heard)
        }
      }
    }
  }
}

const sent = (batches: ReadonlyArray<SessionMerge.Batch>) => batches.flatMap(({ sessions }) => sessions)

describe("SessionMerge", () => {
  it.effect.prop("makes both sides equal after a full list, whatever events were missed", [History], ([history]) =>
    Effect.sync(() => {
      const world = makeWorld()
      world.run(history)
      world.listAll()
      assert.deepStrictEqual(
        world.deployment,
        new Map([...world.deployment.keys()].map((id) => [id, world.opencode.get(id)]))
      )
      assert.strictEqual(world.deployment.size, world.opencode.size)
    })
  )

  it.effect.prop(
    "makes both sides equal after the full list of a new process, whatever happened before",
    [History, History],
    ([before, after]) =>
      Effect.sync(() => {
        const world = makeWorld()
        world.run(before)
        world.list()
        world.run(after)
        world.restart()
        world.listAll()
        for (const [id, session] of world.opencode) assert.deepStrictEqual(world.deployment.get(id), session)
      })
  )

  it.effect.prop("finds all updates with a list of changes, with and without events", [History], ([history]) =>
    Effect.sync(() => {
      const world = makeWorld()
      world.run(history)
      world.list()
      for (const [id, { updated }] of world.opencode) assert.strictEqual(world.deployment.get(id)?.updated, updated)
    })
  )

  it.effect.prop("sends nothing when the same list is merged again", [History], ([history]) =>
    Effect.sync(() => {
      const world = makeWorld()
      world.run(history)
      world.listAll()
      const calls = world.calls.length
      world.listAll()
      world.list()
      assert.strictEqual(world.calls.length, calls)
    })
  )

  it.effect.prop(
    "sends sessions that changed since the watermark, or differ in the deployment",
    [History],
    ([history]) =>
      Effect.sync(() => {
        const world = makeWorld()
        world.run(history)
        world.restart()
        world.listAll()
        for (const { batches, had, watermark } of world.passes) {
          for (const session of sent(batches)) {
            assert.isTrue(session.updated > watermark || !isDeepStrictEqual(had.get(session.id), session))
          }
        }
      })
  )

  it.effect.prop("never moves the watermark past an unsynced session of its list", [History], ([history]) =>
    Effect.sync(() => {
      const world = makeWorld()
      world.run(history)
      world.restart()
      world.listAll()
      for (const { batches, had, listed } of world.passes) {
        const there = new Map(had)
        for (const { sessions, watermark = 0 } of batches) {
          for (const session of sessions) there.set(session.id, session)
          const missing = listed.filter((session) => !isDeepStrictEqual(there.get(session.id), session))
          for (const { updated } of missing) assert.isAtLeast(updated, watermark)
        }
      }
    })
  )

  it.effect.prop("sends no more entries than changes", [History], ([history]) =>
    Effect.sync(() => {
      const world = makeWorld()
      world.run(history.filter(({ kind }) => kind !== "restart"))
      world.listAll()
      const happened = history.filter(({ kind }) => kind === "work" || kind === "rename").length
      assert.isAtMost(sent(world.calls).length, happened)
    })
  )

  it("sends k entries for k changes, in calls of 100, oldest first, each with its watermark", () => {
    const all = Array.from({ length: 5_000 }, (_, index): Session => ({
      id: `ses_${index}`,
      title: "t",
      updated: 1_000_000 + index
    }))
    const first = SessionMerge.batchesOfList(SessionMerge.begin(0), all.toReversed())
    assert.strictEqual(first.length, 50)
    assert.deepStrictEqual(
      first.map(({ watermark }) => watermark),
      Array.from({ length: 50 }, (_, index) => 1_000_099 + index * 100)
    )
    const state = first.reduce(SessionMerge.markSynced, SessionMerge.begin(0))
    const changed = all.map((each, index) => (index % 50 === 0 ? { ...each, updated: 2_000_000 + index } : each))
    const [batch, ...others] = SessionMerge.batchesOfList(state, changed)
    assert.deepStrictEqual([batch?.sessions.length, others], [100, []])
  })

  it("compares older sessions in a new process, in thousands, and sends those that differ", () => {
    const all = Array.from({ length: 2_500 }, (_, index): Session => ({
      id: `ses_${index}`,
      title: "t",
      updated: 1_000_000 + index
    }))
    const state = SessionMerge.begin(1_002_400)
    const questions = SessionMerge.comparisons(state, all)
    assert.deepStrictEqual(
      questions.map((question) => question.length),
      [1_000, 1_000, 401]
    )
    const asked = questions.reduce((known, question) => SessionMerge.compared(known, question, ["ses_7"]), state)
    assert.strictEqual(asked.watermark, 1_002_400)
    assert.deepStrictEqual(SessionMerge.comparisons(asked, all), [all.slice(7, 8)])
    assert.deepStrictEqual(sent(SessionMerge.batchesOfList(asked, all)), [...all.slice(7, 8), ...all.slice(2_401)])
  })

  it("remembers a bounded number of the latest sessions, compares the others, and sends nothing twice", () => {
    const all = Array.from({ length: 20_000 }, (_, index): Session => ({
      id: `ses_${index}`,
      title: "t",
      updated: 1_000_000 + index
    }))
    const full = SessionMerge.batchesOfList(SessionMerge.begin(0), all).reduce(
      SessionMerge.markSynced,
      SessionMerge.begin(0)
    )
    const state = SessionMerge.evictOldest(full)
    const questions = SessionMerge.comparisons(state, all)
    assert.deepStrictEqual(questions.flat(), all.slice(0, 15_000))
    const asked = questions.reduce((known, question) => SessionMerge.compared(known, question, ["ses_7"]), state)
    assert.deepStrictEqual(sent(SessionMerge.batchesOfList(asked, all)), all.slice(7, 8))
    assert.deepStrictEqual(SessionMerge.evictOldest(asked).synced, state.synced)
  })

  it("remembers all sessions that changed after the watermark", () => {
    const heard = Array.from({ length: 9 }, (_, index): Session => ({ id: `${index}`, title: "t", updated: index }))
    const state = SessionMerge.markSynced(SessionMerge.begin(5), { sessions: heard, watermark: undefined })
    assert.deepStrictEqual(
      SessionMerge.batchesOfEvents(SessionMerge.evictOldest(state, 1), heard)[0]?.sessions,
      heard.slice(0, 6)
    )
  })

  it("compares nothing before the first sync", () => {
    assert.deepStrictEqual(SessionMerge.comparisons(SessionMerge.begin(0), [{ id: "a", title: "t", updated: 1 }]), [])
  })

  it("defers an update time to the next list, and sends new sessions and titles at once", () => {
    const session: Session = { id: "a", title: "t", updated: 1 }
    const state = SessionMerge.markSynced(SessionMerge.begin(0), { sessions: [session], watermark: 1 })
    assert.deepStrictEqual(SessionMerge.batchesOfEvents(state, [{ ...session, updated: 2 }]), [])
    const news = [
      { ...session, title: "u" },
      { ...session, id: "b" }
    ]
    assert.deepStrictEqual(sent(SessionMerge.batchesOfEvents(state, news)), news)
  })

  it("lists from 15 seconds before the watermark, and everything before the first sync", () => {
    assert.isUndefined(SessionMerge.since(SessionMerge.begin(0)))
    assert.strictEqual(SessionMerge.since(SessionMerge.begin(20_000)), 5_000)
    assert.strictEqual(SessionMerge.since(SessionMerge.begin(1)), 0)
  })

  it("treats an absent archived flag as false", () => {
    const session: Session = { id: "a", title: "t", updated: 1 }
    const state = SessionMerge.markSynced(SessionMerge.begin(0), { sessions: [session], watermark: 1 })
    assert.deepStrictEqual(SessionMerge.batchesOfEvents(state, [{ ...session, archived: false }]), [])
    const archived = { ...session, archived: true }
    assert.deepStrictEqual(sent(SessionMerge.batchesOfEvents(state, [archived])), [archived])
    const both = { ...archived, revertedFrom: "msg_1" }
    const after = SessionMerge.markSynced(state, { sessions: [both], watermark: undefined })
    assert.deepStrictEqual(SessionMerge.batchesOfEvents(after, [both]), [])
    assert.deepStrictEqual(sent(SessionMerge.batchesOfEvents(after, [archived])), [archived])
  })

  it("keeps a memory that is at its limit", () => {
    const sessions = ["a", "b"].map((id): Session => ({ id, title: "t", updated: 1 }))
    const state = SessionMerge.markSynced(SessionMerge.begin(5), { sessions, watermark: undefined })
    assert.strictEqual(SessionMerge.evictOldest(state, 2), state)
  })
})

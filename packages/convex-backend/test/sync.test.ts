import { isDeepStrictEqual } from "node:util"
import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { enlist, eventually, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

interface Told {
  readonly opencodeSessionId: string
  readonly title: string
  readonly updatedAt: number
  readonly createdForSessionId?: string
  readonly archived?: boolean
  readonly revertedFrom?: string
}
const told = (opencodeSessionId: string, change: Partial<Told> = {}): Told => ({
  opencodeSessionId,
  title: `Title of ${opencodeSessionId}`,
  updatedAt: 1_000,
  ...change
})

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const { workerId } = worker
  return {
    operator,
    worker,
    workerId,
    apply: (sessions: ReadonlyArray<Told>, watermark?: number) =>
      operator.mutation(api.sync.apply, {
        ...worker,
        sessions: [...sessions],
        ...(watermark !== undefined && { watermark })
      }),
    outdated: (...sessions: Array<Told>) => operator.query(api.sync.diff, { ...worker, sessions }),
    forget: (...opencodeSessionIds: Array<string>) =>
      operator.mutation(api.sync.removeDeleted, { ...worker, opencodeSessionIds }),
    watermark: () => operator.query(api.sync.watermark, worker),
    assigned: (sessionId: Id<"sessions">) => operator.query(api.sessions.getForWorker, { ...worker, sessionId }),
    list: async () =>
      (await operator.query(api.sessions.list, { workerId, paginationOpts: { numItems: 100, cursor: null } })).page
  }
}

describe("sync", () => {
  it("lists OpenCode's sessions for the owner, the latest activity first, and once if they are sent twice", async () => {
    const { apply, list } = await setUp()
    const sessions = [told("ses_old"), told("ses_new", { updatedAt: 2_000 })]
    await apply(sessions)
    await apply(sessions)
    assert.deepStrictEqual(
      (await list()).map(({ title, origin, status, lastActivityAt }) => [title, origin, status, lastActivityAt]),
      [
        ["Title of ses_new", "opencode", "idle", 2_000],
        ["Title of ses_old", "opencode", "idle", 1_000]
      ]
    )
  })

  it("stores no activity in the future, for any clock of the worker", async () => {
    const { apply, list } = await setUp()
    await apply([told("ses_1", { updatedAt: Date.now() + 86_400_000 })])
    assert.isAtMost((await list())[0]?.lastActivityAt ?? Number.NaN, Date.now())
  })

  it("stores the watermark in the same transaction, and it only increases", async () => {
    const { apply, watermark } = await setUp()
    assert.strictEqual(await watermark(), 0)
    await apply([told("ses_1")], 1_000)
    await apply([], 500)
    await apply([told("ses_2")])
    assert.strictEqual(await watermark(), 1_000)
    assert.strictEqual(await refusalOf(apply([told("ses_3"), told("")], 2_000)), "InvalidArgument")
    assert.strictEqual(await watermark(), 1_000)
  })

  it("diff returns new, renamed and continued sessions", async () => {
    const { apply, outdated } = await setUp()
    const before = [told("ses_same"), told("ses_renamed"), told("ses_worked"), told("ses_older")]
    await apply(before)
    assert.deepStrictEqual(await outdated(...before), [])
    const now = [
      told("ses_same"),
      told("ses_renamed", { title: "Now" }),
      told("ses_worked", { updatedAt: 2_000 }),
      told("ses_older", { updatedAt: 500 }),
      told("ses_new")
    ]
    assert.deepStrictEqual(await outdated(...now), ["ses_renamed", "ses_worked", "ses_new"])
    await apply(now)
    assert.deepStrictEqual(await outdated(...now), [])
  })

  it("diff returns exactly the sessions that apply would change", async () => {
    const { operator, workerId, apply, outdated, list } = await setUp()
    const tell = async (session: Told) => {
      const before = await list()
      const isOutdated = (await outdated(session)).length === 1
      await apply([session])
      assert.deepStrictEqual(await outdated(session), [])
      assert.strictEqual(isDeepStrictEqual(before, await list()), !isOutdated)
      return isOutdated
    }
    const made = told("ses_made", { createdForSessionId: await newSession(operator, workerId) })
    assert.isTrue(await tell(made))
    assert.isFalse(await tell(made))
    const fork = { ...made, opencodeSessionId: "ses_fork" }
    assert.isTrue(await tell(fork))

    const sessionId = (await list()).find(({ origin }) => origin === "opencode")?.sessionId
    if (sessionId === undefined) return assert.fail("The fork is not there")
    await operator.mutation(api.sessions.rename, { sessionId, title: "Mine", idempotencyKey: "rename" })
    assert.isFalse(await tell({ ...fork, title: "Theirs" }))
    assert.isTrue(await tell({ ...fork, title: "Theirs", updatedAt: 2_000 }))
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    assert.isFalse(await tell(fork))

    const another = await enlist(operator)
    assert.deepStrictEqual(await operator.query(api.sync.diff, { ...another, sessions: [made] }), ["ses_made"])
  })

  it("diff accepts 1,000 sessions", async () => {
    const { apply, outdated } = await setUp()
    const all = Array.from({ length: 1_000 }, (_, index) => told(`ses_${index}`))
    for (let from = 0; from < all.length; from += 100) await apply(all.slice(from, from + 100))
    const renamed = new Set([3, 500, 999])
    const now = all.map((each, index) => (renamed.has(index) ? { ...each, title: "Now" } : each))
    assert.deepStrictEqual(await outdated(...now), ["ses_3", "ses_500", "ses_999"])
  })

  it("titles of OpenCode are updated, titles of operators stay", async () => {
    const { operator, apply, list } = await setUp()
    await apply([told("ses_1"), told("ses_2")])
    const own = (await list()).find(({ title }) => title === "Title of ses_1")
    if (own === undefined) return assert.fail("It is not there")
    await operator.mutation(api.sessions.rename, { sessionId: own.sessionId, title: "Mine", idempotencyKey: "k" })
    await apply([told("ses_1", { title: "Theirs" }), told("ses_2", { title: "Theirs" })])
    assert.sameMembers(
      (await list()).map(({ title }) => title),
      ["Mine", "Theirs"]
    )
  })

  it("matches the session that it was created for, before and after linking; a fork is a separate session", async () => {
    const { operator, worker, workerId, apply, assigned, list } = await setUp()
    const sessionId = await newSession(operator, workerId)
    await apply([told("ses_1", { createdForSessionId: sessionId })])
    assert.strictEqual((await assigned(sessionId)).opencodeSessionId, "ses_1")
    await operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId: "ses_1" })
    await apply([
      told("ses_1", { createdForSessionId: sessionId }),
      told("ses_fork", { createdForSessionId: sessionId })
    ])
    assert.strictEqual((await list()).length, 2)
    assert.strictEqual((await assigned(sessionId)).opencodeSessionId, "ses_1")
    await apply([told("ses_odd", { createdForSessionId: "nonsense" })])
    assert.strictEqual((await list()).length, 3)
  })

  it("does not return sessions of another worker", async () => {
    const { operator, apply, assigned, workerId } = await setUp()
    const another = await enlist(operator)
    const sessionId = await newSession(operator, workerId)
    const sessions = [told("ses_1", { createdForSessionId: sessionId })]
    await operator.mutation(api.sync.apply, { ...another, sessions })
    assert.isNull((await assigned(sessionId)).opencodeSessionId)
    await apply([])
  })

  it("sessions deleted in OpenCode are removed; an operator's session stays and is recreated", async () => {
    const { operator, workerId, apply, assigned, forget, list } = await setUp()
    const sessionId = await newSession(operator, workerId)
    const turnId = await send(operator, sessionId)
    await apply([told("ses_own", { createdForSessionId: sessionId }), told("ses_foreign")])
    await forget("ses_own", "ses_foreign", "ses_unknown")
    await forget("ses_own", "ses_foreign")
    await eventually(list, (sessions) => sessions.length === 1)
    assert.deepNestedInclude(await assigned(sessionId), { opencodeSessionId: null, historyLost: true })
    assert.strictEqual((await operator.query(api.turns.live, { turnId, after: 0 })).status, "queued")
  })

  it("the history of a session deleted in OpenCode is marked as lost until a turn announces it", async () => {
    const { operator, worker, workerId, apply, assigned, forget } = await setUp()
    const sessionId = await newSession(operator, workerId)
    const bind = (opencodeSessionId: string) =>
      operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId })
    await bind("ses_1")
    assert.isFalse((await assigned(sessionId)).historyLost)
    await forget("ses_1")
    await apply([told("ses_2", { createdForSessionId: sessionId })])
    assert.deepNestedInclude(await assigned(sessionId), { opencodeSessionId: "ses_2", historyLost: true })
    for (const opencodeSessionId of ["ses_2", "ses_3"]) {
      await bind(opencodeSessionId)
      assert.deepNestedInclude(await assigned(sessionId), { opencodeSessionId, historyLost: true })
    }
    const end = async (kind: string, announcesLoss?: boolean) => {
      const turnId = await send(operator, sessionId)
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
      const parts = [{ index: 0, kind, payload: "{}" }]
      await operator.mutation(api.queue.finish, {
        ...worker,
        turnId,
        outcome: "completed",
        parts,
        ...(announcesLoss !== undefined && { announcesLoss })
      })
      return (await assigned(sessionId)).historyLost
    }
    // A notice about anything else leaves it lost.
    assert.deepStrictEqual([await end("text"), await end("notice"), await end("notice", true)], [true, true, false])
    await bind("ses_3")
    assert.isFalse((await assigned(sessionId)).historyLost)
    await bind("ses_4")
    assert.isTrue((await assigned(sessionId)).historyLost)
  })

  it("rejects over-long input and names the field", async () => {
    const { apply, forget, outdated } = await setUp()
    const long = "x".repeat(501)
    const many = Array.from({ length: 101 }, (_, index) => `ses_${index}`)
    const refusals = [
      apply([told(long)]),
      apply([told("ses_1", { title: long })]),
      apply([told("ses_1", { createdForSessionId: long })]),
      apply(many.map((id) => told(id))),
      outdated(told(long)),
      outdated(told("ses_1", { title: long })),
      outdated(told("ses_1", { createdForSessionId: long })),
      outdated(...Array.from({ length: 1_001 }, (_, index) => told(`ses_${index}`))),
      forget(...many)
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})

describe("undone and archived", () => {
  // The boundary is a message of either kind, and stays until a snapshot comes without it.
  const boundaries = [
    ["a prompt", "msg_C", ["C", "E"], "different-ai/openwork#564"],
    ["an answer, or a part of it", "msg_B", ["C", "E"], "anomalyco/opencode#20955, Kilo-Org/kilocode#11455"],
    ["the first prompt", "msg_A", ["A", "C", "E"], "dzianisv/opencode-mobile#80"],
    ["the last answer", "msg_F", [], "anomalyco/opencode#20957"],
    ["nothing left", undefined, [], "Kilo-Org/kilocode#12274"]
  ] as const

  it.each(boundaries)("turns from %s on are marked", async (_, revertedFrom, expected) => {
    const { apply, operator, worker, workerId } = await setUp()
    const sessionId = await newSession(operator, workerId)
    const turns = ["E", "C", "A"].map((name, index, names) => ({
      messageId: `msg_${name}`,
      ...(index > 0 && { newerId: `msg_${names[index - 1]}` }),
      text: name,
      askedAt: 1_000,
      finishedAt: 2_000,
      outcome: "completed" as const,
      parts: []
    }))
    await operator.mutation(api.history.add, { ...worker, sessionId, turns })
    await apply([told("ses_1", { createdForSessionId: sessionId, revertedFrom: "msg_A" })])
    await apply([
      told("ses_1", { createdForSessionId: sessionId, ...(revertedFrom !== undefined && { revertedFrom }) })
    ])
    const paginationOpts = { numItems: 20, cursor: null }
    const { page } = await operator.query(api.turns.list, { sessionId, paginationOpts })
    assert.deepStrictEqual(
      page.filter(({ undone }) => undone).map(({ head }) => head),
      [...expected]
    )
  })

  it("an archived session keeps its turns and position, and can be restored", async () => {
    // anomalyco/opencode#16030 and #44619, openchamber/openchamber#1668, getagentseal/codeburn#1475.
    const { apply, list } = await setUp()
    for (const archived of [true, true, false, true]) {
      await apply([told("ses_1", archived ? { archived } : {})])
      assert.deepStrictEqual(
        (await list()).map((session) => [session.title, session.archived]),
        [["Title of ses_1", archived]]
      )
    }
  })
})

/**
 * Cases after public reports: OpenCode removes undone messages at the next prompt (anomalyco/opencode#20955, #4681,
 * Kilo-Org/kilocode#7186), and an undo ends in the middle of an answer, by a part (dzianisv/opencode-mobile#80).
 */
import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { enlist, eventually, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()
const answeredBy = { model: "p/m", agent: "build" }
const part = (index: number, id: string, text: string) => ({
  index,
  kind: "text",
  payload: JSON.stringify({ id, text })
})

interface Ending {
  readonly isAnswered?: boolean
  readonly outcome?: "completed" | "aborted"
  readonly parts?: Array<ReturnType<typeof part>>
}

const many = (count: number) => Array.from({ length: count }, (_, index) => `msg_${index}`)

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const link = (opencodeSessionId: string) =>
    operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId })
  await link("ses_1")
  const paginationOpts = { numItems: 20, cursor: null }
  const session = { opencodeSessionId: "ses_1" }
  return {
    operator,
    worker,
    sessionId,
    link,
    list: async () => (await operator.query(api.turns.list, { sessionId, paginationOpts })).page,
    texts: async (turnId: Id<"turns">) =>
      (await operator.query(api.turns.parts, { turnId, paginationOpts })).page.map(
        ({ payload }) => JSON.parse(payload).text
      ),
    found: async (text: string) => (await operator.query(api.search.find, { text })).map(({ turnId }) => turnId),
    mirrored: (limit = 10, before?: number) =>
      operator.query(api.removals.turns, {
        ...worker,
        session,
        limit,
        ...(before !== undefined && { before })
      }),
    /** A prompt of the operator whose turn has ended. */
    ended: async (
      name: string,
      { isAnswered = true, outcome = "completed", parts = [part(0, `prt_${name}`, `answer to ${name}`)] }: Ending = {}
    ) => {
      const turnId = await send(operator, sessionId, name)
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids, messageId: `msg_${name}` })
      await operator.mutation(api.queue.markDelivered, { ...worker, turnId })
      await operator.mutation(api.queue.finish, {
        ...worker,
        turnId,
        outcome,
        ...(isAnswered && { answeredBy }),
        parts
      })
      return turnId
    },
    remove: (...messageIds: ReadonlyArray<string>) =>
      operator.mutation(api.removals.removePrompts, { ...worker, session, messageIds: [...messageIds] }),
    keep: (messageId: string, ...partIds: ReadonlyArray<string>) =>
      operator.mutation(api.removals.keepParts, { ...worker, session, messageId, partIds: [...partIds] })
  }
}

describe("removals", () => {
  it("lists the turns of a session in pages, newest first, and those that OpenCode had", async () => {
    const { ended, mirrored, operator, sessionId, worker } = await setUp()
    await ended("A")
    await ended("B", { isAnswered: false, outcome: "aborted", parts: [] })
    const turn = { text: "C", askedAt: 1, finishedAt: 2, outcome: "completed" as const, parts: [] }
    await operator.mutation(api.history.add, { ...worker, sessionId, turns: [{ ...turn, messageId: "msg_C" }] })
    await send(operator, sessionId, "not claimed")
    const first = await mirrored(3)
    assert.deepStrictEqual(first.turns, [
      { messageId: "msg_C", recorded: true, completed: true, parts: 0 },
      { messageId: "msg_B", recorded: false, completed: false, parts: 0 }
    ])
    assert.isNotNull(first.before)
    assert.deepStrictEqual(await mirrored(3, first.before ?? undefined), {
      turns: [{ messageId: "msg_A", recorded: true, completed: true, parts: 1 }],
      before: null
    })
  })

  it("turns of a session that OpenCode has lost are not among those that it had", async () => {
    const { ended, link, mirrored } = await setUp()
    await ended("A")
    await link("ses_2")
    await ended("B")
    await link("ses_1")
    assert.deepStrictEqual(
      (await mirrored()).turns.map(({ messageId, recorded }) => [messageId, recorded]),
      [
        ["msg_B", false],
        ["msg_A", true]
      ]
    )
  })

  it("deletes the turns of removed prompts, and never one that has not ended", async () => {
    const { ended, found, list, operator, remove, sessionId, worker } = await setUp()
    await ended("apple")
    await ended("pear")
    const turnId = await send(operator, sessionId, "plum")
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids, messageId: "msg_plum" })
    await remove("msg_pear", "msg_plum", "msg_unknown")
    await remove("msg_pear")
    const left = await eventually(list, ({ length }) => length === 2)
    assert.deepStrictEqual(
      left.map(({ head }) => head),
      ["apple", "plum"]
    )
    assert.deepStrictEqual(await found("pear"), [])
  })

  it("removes parts of a completed turn with their outline and search text, and changes its version", async () => {
    const { ended, found, keep, list, texts } = await setUp()
    const notice = { index: 2, kind: "notice", payload: JSON.stringify({ text: "a notice" }) }
    const summary = { index: 3, kind: "notice", payload: JSON.stringify({ id: "msg_summary", text: "compacted" }) }
    const long = part(1, "prt_2", `banana ${"x".repeat(600_000)}`)
    const turnId = await ended("A", { parts: [part(0, "prt_1", "apple"), long, notice, summary] })
    const [before] = await list()
    assert.strictEqual(await keep("msg_A", "prt_1", "prt_2", "msg_summary"), 0)
    assert.deepStrictEqual((await list())[0], before)
    assert.deepStrictEqual(await found("banana"), [turnId])
    assert.strictEqual(await keep("msg_A", "prt_1"), 2)
    assert.deepStrictEqual(await texts(turnId), ["apple", "a notice"])
    const [after] = await list()
    assert.deepInclude(after, { parts: 2, head: "A" })
    assert.deepStrictEqual(after?.usage, before?.usage)
    assert.notStrictEqual(after?.version, before?.version)
    assert.deepStrictEqual([await found("banana"), await found("apple")], [[], [turnId]])
    assert.strictEqual(await keep("msg_A", "prt_1"), 0)
  })

  it("keeps the text of turns that did not complete, because OpenCode may have lost it in a crash", async () => {
    const { ended, keep, texts } = await setUp()
    const turnId = await ended("A", { outcome: "aborted" })
    assert.strictEqual(await keep("msg_A"), 0)
    assert.deepStrictEqual(await texts(turnId), ["answer to A"])
  })

  it("rejects over-long input, and ignores sessions that are not mirrored", async () => {
    const { keep, operator, remove, worker } = await setUp()
    const refusals = [
      remove(...many(101)),
      remove("x".repeat(501)),
      keep("msg_A", ...many(8_001)),
      keep("x".repeat(501)),
      operator.query(api.removals.turns, { ...worker, session: { opencodeSessionId: "x".repeat(501) }, limit: 1 })
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
    const session = { opencodeSessionId: "ses_unknown" }
    assert.deepStrictEqual(await operator.query(api.removals.turns, { ...worker, session, limit: 10 }), {
      turns: [],
      before: null
    })
    assert.isNull(await operator.mutation(api.removals.removePrompts, { ...worker, session, messageIds: ["msg_A"] }))
    assert.strictEqual(
      await operator.mutation(api.removals.keepParts, { ...worker, session, messageId: "msg_A", partIds: [] }),
      0
    )
  })
})

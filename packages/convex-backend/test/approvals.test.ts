import { assert, describe, it } from "vitest"
import type { FunctionArgs } from "convex/server"
import type { ConvexHttpClient } from "convex/browser"
import { api, type Id } from "../src/api.ts"
import {
  answerRequest,
  enlist,
  eventually,
  ids,
  newSession,
  openRequest,
  permission,
  refusalOf,
  send,
  type Signature,
  useDeployment
} from "./support/deployment.ts"

const deployment = useDeployment()

const claimed = async (operator: ConvexHttpClient, worker: Signature, sessionId: Id<"sessions">) => {
  const turnId = await send(operator, sessionId)
  await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
  return turnId
}

const paginationOpts = { numItems: 100, cursor: null }

/** An operator with two sessions of one worker, each with a running turn. */
const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const [one, two] = [await newSession(operator, worker.workerId), await newSession(operator, worker.workerId)]
  const turns = { one: await claimed(operator, worker, one), two: await claimed(operator, worker, two) }
  let requests = 0
  const asked = (turnId: Id<"turns">, change: Partial<FunctionArgs<typeof api.requests.open>> = {}) => ({
    ...worker,
    turnId,
    ...permission,
    opencodeId: `per_${++requests}`,
    ...change
  })
  return {
    operator,
    worker,
    sessions: { one, two },
    turns,
    open: (turnId: Id<"turns">, change = {}) => openRequest(operator, asked(turnId, change)),
    /** Whether an approval covers a new request. */
    isCovered: async (turnId: Id<"turns">, change = {}) => {
      const { requestId, answer } = await operator.mutation(api.requests.open, asked(turnId, change))
      if (requestId === null) {
        assert.deepStrictEqual(answer, { type: "once" })
        return true
      }
      await operator.mutation(api.requests.close, { ...worker, requestId, as: "cancelled" })
      return false
    },
    next: async (turnId: Id<"turns">, sessionId: Id<"sessions">) => {
      await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
      return claimed(operator, worker, sessionId)
    },
    list: async () => (await operator.query(api.approvals.list, { paginationOpts })).page,
    audit: async () => {
      const { page } = await operator.query(api.workers.audit, { workerId: worker.workerId, paginationOpts })
      return page.flatMap(({ action, detail }) => (detail === null ? [] : [[action, detail]])).toReversed()
    }
  }
}

describe("an approval for later requests", () => {
  it("of a turn ends with it", async () => {
    const { operator, turns, sessions, open, isCovered, next, list } = await setUp()
    await answerRequest(operator, await open(turns.one), { type: "turn" })
    assert.isTrue(await isCovered(turns.one))
    assert.isFalse(await isCovered(turns.two))
    assert.isFalse(await isCovered(await next(turns.one, sessions.one)))
    assert.deepStrictEqual(await list(), [])
  })

  it("of a session is valid in its later turns, and is deleted with it", async () => {
    const { operator, worker, turns, sessions, open, isCovered, next, list } = await setUp()
    await answerRequest(operator, await open(turns.one), { type: "session" })
    const later = await next(turns.one, sessions.one)
    assert.isTrue(await isCovered(later))
    assert.isFalse(await isCovered(turns.two))
    await operator.mutation(api.queue.finish, { ...worker, turnId: later, outcome: "completed", parts: [] })
    await operator.mutation(api.sessions.remove, { sessionId: sessions.one, idempotencyKey: "remove" })
    const [row] = await operator.query(api.commands.queued, { ...worker, limit: 1 })
    if (row !== undefined) await operator.mutation(api.commands.settle, { ...worker, commandId: row.commandId })
    await eventually(list, (approvals) => approvals.length === 0)
  })

  it("is deleted when its worker is revoked", async () => {
    const { operator, worker, turns, open, list } = await setUp()
    for (const type of ["always", "session"] as const) {
      await answerRequest(operator, await open(turns.one, { always: { scope: type, label: type } }), { type })
    }
    assert.lengthOf(await list(), 2)
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    await eventually(list, (approvals) => approvals.length === 0)
  })

  it("that is standing is valid in all sessions of its worker, until it is revoked", async () => {
    const { operator, worker, turns, open, isCovered, list, audit } = await setUp()
    const other = await setUp()
    await answerRequest(operator, await open(turns.one), { type: "always" })
    assert.isTrue(await isCovered(turns.one))
    assert.isTrue(await isCovered(turns.two))
    assert.isFalse(await other.isCovered(other.turns.one))
    const [approval] = await list()
    assert.isDefined(approval)
    const { approvalId } = approval
    assert.deepInclude(approval, {
      workerId: worker.workerId,
      reach: "always",
      within: worker.workerId,
      permission: "bash",
      label: "this command",
      subject: "bash: touch a.txt"
    })
    await operator.mutation(api.approvals.revoke, { approvalId })
    await operator.mutation(api.approvals.revoke, { approvalId })
    assert.isFalse(await isCovered(turns.one))
    assert.deepStrictEqual(await list(), [])
    assert.deepStrictEqual(await audit(), [
      ["answer", "always this command: bash: touch a.txt"],
      ["apply", `always this command, in turn ${turns.one}, first to: bash: touch a.txt`],
      ["apply", `always this command, in turn ${turns.two}, first to: bash: touch a.txt`],
      ["revokeApproval", "always bash: this command"]
    ])
  })

  it("covers requests of an equal scope and no others, whatever they look like", async () => {
    const { operator, turns, open, isCovered } = await setUp()
    await answerRequest(operator, await open(turns.one), { type: "always" })
    assert.isFalse(await isCovered(turns.one, { always: { scope: "touch a.txt ", label: "this command" } }))
    assert.isFalse(await isCovered(turns.one, { always: null }))
    assert.isTrue(await isCovered(turns.one, { subject: "another line" }))
  })

  it("answers the waiting requests that it covers", async () => {
    const { operator, worker, turns, open } = await setUp()
    const first = await open(turns.one)
    const [covered, elsewhere] = [await open(turns.one), await open(turns.two)]
    const differs = await open(turns.one, { always: { scope: "rm a.txt", label: "this command" } })
    await answerRequest(operator, first, { type: "session" })
    const answered = await operator.query(api.requests.answers, { ...worker, limit: 20 })
    assert.deepStrictEqual(
      answered.map(({ requestId, answer }) => [requestId, answer.type]),
      [
        [first, "session"],
        [covered, "once"]
      ]
    )
    const left = await operator.query(api.requests.pending, {})
    assert.deepStrictEqual(
      left.map(({ requestId }) => requestId),
      [elsewhere, differs]
    )
  })

  it("is not possible for a request without a scope", async () => {
    const { operator, turns, open } = await setUp()
    const requestId = await open(turns.one, { always: null })
    for (const type of ["turn", "session", "always"] as const) {
      assert.strictEqual(await refusalOf(answerRequest(operator, requestId, { type })), "InvalidArgument")
    }
  })
})

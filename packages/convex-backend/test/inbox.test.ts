import { afterEach, assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import {
  answerRequest,
  enlist,
  eventually,
  ids,
  newSession,
  openRequest,
  permission,
  send,
  useDeployment
} from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"
import { newDevice } from "./support/device.ts"

const deployment = useDeployment()
afterEach(() => {
  resetTime()
})

const error = { name: "E", message: "The provider failed" }

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId, "Refactor")
  const run = async (of: Id<"sessions"> = sessionId) => {
    const turnId = await send(operator, of, "Do it")
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    return turnId
  }
  return {
    operator,
    worker,
    sessionId,
    run,
    end: async (outcome: "completed" | "failed" | "interrupted" | "aborted", of?: Id<"sessions">) => {
      const turnId = await run(of)
      const failed = outcome === "completed" || outcome === "aborted" ? {} : { error }
      await operator.mutation(api.queue.finish, { ...worker, turnId, outcome, ...failed, parts: [] })
      return turnId
    },
    list: (client = operator) => client.query(api.inbox.list, {}),
    kinds: async (client = operator) => (await client.query(api.inbox.list, {})).map(({ kind }) => kind),
    count: (client = operator) => client.query(api.inbox.count, {})
  }
}

describe("the inbox", () => {
  it("has a request until it is answered, or its turn ends", async () => {
    const { operator, worker, run, list, count, sessionId } = await setUp()
    const turnId = await run()
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
    await openRequest(operator, { ...worker, turnId, ...permission, opencodeId: "per_2", always: null })
    const [item] = await list()
    const { workerId } = worker
    const about = { workerId, sessionId, turnId, requestId, title: "Refactor", subject: permission.subject }
    assert.deepInclude(item, { kind: "asked", ...about, read: false, pinned: false })
    assert.strictEqual(await count(), 2)
    await answerRequest(operator, requestId, { type: "once" })
    assert.strictEqual(await count(), 1)
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
    assert.deepStrictEqual(
      (await list()).map(({ kind, subject }) => [kind, subject]),
      [["finished", "Do it"]]
    )
  })

  it("has no request of a session that was deleted in OpenCode while it asked", async () => {
    const { operator, worker, list, kinds } = await setUp()
    await operator.mutation(api.sync.apply, {
      ...worker,
      sessions: [{ opencodeSessionId: "ses_gone", title: "Theirs", updatedAt: Date.now() }]
    })
    const { page } = await operator.query(api.sessions.list, { paginationOpts: { numItems: 20, cursor: null } })
    const sessionId = page.find(({ title }) => title === "Theirs")?.sessionId
    assert.isDefined(sessionId)
    const turnId = await send(operator, sessionId, "Do it")
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
    await answerRequest(operator, requestId, { type: "turn" })
    await openRequest(operator, { ...worker, turnId, ...permission, opencodeId: "per_2", always: null })
    assert.deepStrictEqual(await kinds(), ["asked"])
    await operator.mutation(api.sync.removeDeleted, { ...worker, opencodeSessionIds: ["ses_gone"] })
    await eventually(
      () => operator.query(api.sessions.get, { sessionId }),
      (session) => session === null
    )
    assert.deepStrictEqual(await list(), [])
    const approvals = await operator.query(api.approvals.list, { paginationOpts: { numItems: 20, cursor: null } })
    assert.deepStrictEqual(approvals.page, [])
  })

  it("has the latest result of a session, and none after an abort", async () => {
    const { end, list, kinds, operator, worker } = await setUp()
    const turnId = await end("failed")
    assert.deepInclude((await list())[0], { kind: "failed", turnId, subject: "The provider failed" })
    await end("interrupted")
    await end("completed", await newSession(operator, worker.workerId))
    assert.deepStrictEqual(await kinds(), ["interrupted", "finished"])
    await end("aborted")
    assert.deepStrictEqual(await kinds(), ["finished"])
  })

  it("has a worker that is gone, until it is back", async () => {
    const { operator, worker, kinds } = await setUp()
    passTime(26_000)
    await enlist(operator)
    await eventually(kinds, (shown) => shown.includes("gone"))
    await operator.mutation(api.lease.heartbeat, { ...worker, phase: "ready" })
    assert.deepStrictEqual(await kinds(), [])
    await operator.mutation(api.lease.release, worker)
    assert.deepStrictEqual(await kinds(), [])
  })

  it("is read by each device on its own, and unread when something new happens", async () => {
    const { operator, end, list, kinds, count } = await setUp()
    const { client: phone } = await newDevice(deployment(), operator, "read")
    await end("completed")
    const [item] = await list()
    assert.isDefined(item)
    await operator.mutation(api.inbox.markRead, { itemIds: [item.itemId], read: true })
    assert.deepStrictEqual([await kinds(), await count()], [[], 0])
    assert.deepStrictEqual([await kinds(phone), await count(phone)], [["finished"], 1])
    await phone.mutation(api.inbox.markRead, { itemIds: [item.itemId], read: true })
    await phone.mutation(api.inbox.markRead, { itemIds: [item.itemId], read: false })
    assert.strictEqual(await count(phone), 1)
    passTime(1_000)
    await end("failed")
    assert.deepStrictEqual([await kinds(), await count()], [["failed"], 1])
    await operator.mutation(api.inbox.markRead, { itemIds: [item.itemId], read: true })
    assert.deepStrictEqual([await kinds(), await count()], [["failed"], 0])
  })

  it("lists pinned items first, and no archived ones until something new happens", async () => {
    const { operator, worker, end, list, kinds } = await setUp()
    await end("failed")
    await end("completed", await newSession(operator, worker.workerId))
    const [failed, finished] = await list()
    assert.isDefined(failed)
    assert.isDefined(finished)
    await operator.mutation(api.inbox.markRead, { itemIds: [finished.itemId], read: true })
    await operator.mutation(api.inbox.pin, { itemId: finished.itemId, pinned: true })
    assert.deepStrictEqual(await kinds(), ["finished", "failed"])
    await operator.mutation(api.inbox.archive, { itemId: failed.itemId, archived: true })
    assert.deepStrictEqual(await kinds(), ["finished"])
    assert.deepStrictEqual(
      (await operator.query(api.inbox.list, { archived: true })).map(({ kind }) => kind),
      ["failed"]
    )
    await end("interrupted")
    assert.deepStrictEqual(await kinds(), ["finished", "interrupted"])
  })

  it("forgets a session that is deleted", async () => {
    const { operator, worker, end, sessionId } = await setUp()
    await end("failed")
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    const kinds = async () => (await operator.query(api.inbox.list, {})).map(({ kind }) => kind)
    assert.deepStrictEqual(await eventually(kinds, (shown) => shown.length === 0), [])
  })
})

import { randomUUID } from "node:crypto"
import type { ConvexHttpClient } from "convex/browser"
import { assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { enlist, eventually, ids, newSession, pair, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const titleOf = async (operator: ConvexHttpClient, sessionId: Id<"sessions">) =>
  (await operator.query(api.sessions.get, { sessionId }))?.title

const setUp = async () => {
  const operator = await deployment().operator()
  return { operator, worker: await enlist(operator) }
}

describe("sessions", () => {
  it("one key creates one session", async () => {
    const { operator, worker } = await setUp()
    const create = () => operator.mutation(api.sessions.create, { workerId: worker.workerId, idempotencyKey: "k" })
    assert.strictEqual(await create(), await create())
  })

  it("can be created while the worker is offline, but not for a revoked worker", async () => {
    const operator = await deployment().operator()
    const { workerId } = await pair(operator)
    const sessionId = await newSession(operator, workerId)
    await operator.mutation(api.workers.revoke, { workerId })
    assert.strictEqual(await refusalOf(newSession(operator, workerId)), "Revoked")
    assert.strictEqual(await refusalOf(send(operator, sessionId)), "Revoked")
  })

  it("are listed by activity, in pages, of one worker or of all", async () => {
    const { operator, worker } = await setUp()
    const another = await pair(operator)
    const first = await newSession(operator, worker.workerId)
    const second = await newSession(operator, worker.workerId)
    const elsewhere = await newSession(operator, another.workerId)
    await send(operator, first)
    const page = (cursor: string | null, workerId?: Id<"workers">) =>
      operator.query(api.sessions.list, { paginationOpts: { numItems: 2, cursor }, ...(workerId && { workerId }) })
    const one = await page(null)
    const two = await page(one.continueCursor)
    const sessionIds = [...one.page, ...two.page].map(({ sessionId }) => sessionId)
    assert.strictEqual(sessionIds[0], first)
    assert.sameMembers(sessionIds, [first, second, elsewhere])
    const own = await page(null, another.workerId)
    assert.deepStrictEqual(
      own.page.map(({ sessionId }) => sessionId),
      [elsewhere]
    )
  })

  it("an untitled session is titled by the first line of its first prompt", async () => {
    const { operator, worker } = await setUp()
    const sessionId = await newSession(operator, worker.workerId)
    await send(operator, sessionId, `\n  ${"🦊".repeat(60)} \nand more`)
    await send(operator, sessionId, "Second")
    assert.strictEqual(await titleOf(operator, sessionId), "🦊".repeat(50))
  })

  it("OpenCode's title replaces a default title, never the operator's", async () => {
    const { operator, worker } = await setUp()
    const automatic = await newSession(operator, worker.workerId)
    const chosen = await newSession(operator, worker.workerId, "Mine")
    await send(operator, automatic, "Fix it")
    for (const sessionId of [automatic, chosen]) {
      const binding = { ...worker, sessionId, opencodeSessionId: "ses_1", title: "OpenCode's" }
      const chosenTitle = sessionId === chosen ? "Mine" : null
      assert.deepStrictEqual(await operator.mutation(api.sessions.linkOpenCodeSession, binding), { chosenTitle })
      assert.deepStrictEqual(await operator.mutation(api.sessions.linkOpenCodeSession, binding), { chosenTitle })
      const { opencodeSessionId } = await operator.query(api.sessions.getForWorker, { ...worker, sessionId })
      assert.strictEqual(opencodeSessionId, "ses_1")
    }
    assert.strictEqual(await titleOf(operator, automatic), "OpenCode's")
    assert.strictEqual(await titleOf(operator, chosen), "Mine")
  })

  it("cannot be linked while they are deleted, unless the deletion fails", async () => {
    const { operator, worker } = await setUp()
    const sessionId = await newSession(operator, worker.workerId)
    await operator.mutation(api.queue.claim, { ...worker, turnId: await send(operator, sessionId), ...ids })
    const commandId = await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: randomUUID() })
    if (commandId === null) return assert.fail("There is no command")
    const bind = () =>
      operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId: "ses_1" })
    assert.strictEqual(await refusalOf(bind()), "Conflict")
    await operator.mutation(api.commands.settle, { ...worker, commandId, error: "OpenCode is away" })
    assert.deepStrictEqual(await bind(), { chosenTitle: null })
  })

  it("shows whether a turn runs", async () => {
    const { operator, worker } = await setUp()
    const sessionId = await newSession(operator, worker.workerId)
    const status = async () => (await operator.query(api.sessions.get, { sessionId }))?.status
    const turnId = await send(operator, sessionId)
    assert.strictEqual(await status(), "idle")
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    assert.strictEqual(await status(), "running")
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
    assert.strictEqual(await status(), "idle")
  })

  it("a key whose session or prompt was deleted creates nothing again, and is known for 30 days", async () => {
    const { operator, worker } = await setUp()
    const create = () => operator.mutation(api.sessions.create, { workerId: worker.workerId, idempotencyKey: "k" })
    const sessionId = await create()
    const ask = () => operator.mutation(api.turns.send, { sessionId, text: "Once", idempotencyKey: "k" })
    const turnId = await ask()
    await operator.mutation(api.promptQueue.drop, { turnId })
    assert.strictEqual(await refusalOf(ask()), "NotFound")
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    assert.strictEqual(await refusalOf(create()), "NotFound")
    await eventually(
      () => operator.query(api.sessions.get, { sessionId }),
      (found) => found === null
    )
    assert.strictEqual(await refusalOf(create()), "NotFound")
  })

  it("a key of a session that is being deleted returns no session", async () => {
    const { operator, worker } = await setUp()
    const create = () => operator.mutation(api.sessions.create, { workerId: worker.workerId, idempotencyKey: "k" })
    const sessionId = await create()
    await operator.mutation(api.queue.claim, { ...worker, turnId: await send(operator, sessionId), ...ids })
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "remove" })
    assert.strictEqual((await operator.query(api.sessions.get, { sessionId }))?.status, "deleting")
    assert.strictEqual(await refusalOf(create()), "NotFound")
  })

  it("rejects over-long input and names the field", async () => {
    const { operator, worker } = await setUp()
    const { workerId } = worker
    const long = "x".repeat(501)
    const sessionId = await newSession(operator, workerId)
    const refusals = [
      operator.mutation(api.sessions.create, { workerId, idempotencyKey: long }),
      operator.mutation(api.sessions.create, { workerId, idempotencyKey: "", title: "t" }),
      operator.mutation(api.sessions.create, { workerId, idempotencyKey: randomUUID(), title: long }),
      operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId: long }),
      operator.mutation(api.sessions.linkOpenCodeSession, { ...worker, sessionId, opencodeSessionId: "s", title: long })
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})

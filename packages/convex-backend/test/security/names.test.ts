/** Attacks by names: characters that forge a line of a terminal, and keys that stand for something else. */
import { assert, describe, it } from "vitest"
import { ConvexError } from "convex/values"
import { api } from "../../src/api.ts"
import { enlist, ids, newSession, refusalOf, send, useDeployment } from "../support/deployment.ts"

const deployment = useDeployment()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  return { operator, worker, sessionId: await newSession(operator, worker.workerId) }
}

const codes = [...Array(32).keys(), 0x7f, 0x80, 0x9b, 0x9f, 0x61c, 0x200e, 0x202a, 0x202e, 0x2028, 0x2066, 0x2069]

describe("names that operators and workers choose", () => {
  it("contain no control and no bidirectional characters", async () => {
    const { operator, worker, sessionId } = await setUp()
    const { workerId, secret } = worker
    const calls: Array<(name: string) => Promise<unknown>> = [
      (title) => operator.mutation(api.sessions.create, { workerId, title, idempotencyKey: "k" }),
      (idempotencyKey) => operator.mutation(api.sessions.create, { workerId, idempotencyKey }),
      (title) => operator.mutation(api.sessions.rename, { sessionId, title, idempotencyKey: "k" }),
      (idempotencyKey) => operator.mutation(api.sessions.rename, { sessionId, title: "T", idempotencyKey }),
      (idempotencyKey) => operator.mutation(api.sessions.remove, { sessionId, idempotencyKey }),
      (idempotencyKey) => operator.mutation(api.turns.send, { sessionId, text: "Hi", idempotencyKey }),
      (agent) => operator.mutation(api.turns.send, { sessionId, text: "Hi", agent, idempotencyKey: "k" }),
      (name) => operator.mutation(api.turns.send, { sessionId, text: "Hi", model: `p/${name}`, idempotencyKey: "k" }),
      (processId) => operator.mutation(api.lease.acquire, { workerId, secret, processId }),
      (phase) => operator.mutation(api.lease.heartbeat, { ...worker, phase })
    ]
    const bad = codes.map((code) => `a${String.fromCharCode(code)}b`)
    for (const call of calls) {
      const refusals = await Promise.all(bad.map((name) => refusalOf(call(name))))
      assert.deepStrictEqual(new Set(refusals), new Set(["InvalidArgument"]), call.toString())
    }
  })

  it("are rejected with the character and its position", async () => {
    const { operator, worker } = await setUp()
    const refused: unknown = await operator
      .mutation(api.sessions.create, { workerId: worker.workerId, title: "ok\u001b[2J", idempotencyKey: "k" })
      .catch((error: unknown) => error)
    assert.instanceOf(refused, ConvexError)
    assert.deepStrictEqual(refused.data, {
      code: "InvalidArgument",
      message: "title has the control character U+001B at position 2: leave it out"
    })
  })

  it("are unchanged if a model created them, and cleaned if derived from a prompt", async () => {
    const { operator, worker, sessionId } = await setUp()
    const title = async (id: typeof sessionId) => (await operator.query(api.sessions.get, { sessionId: id }))?.title
    await send(operator, sessionId, "look\u001b[2J here")
    assert.strictEqual(await title(sessionId), "look [2J here")
    await operator.mutation(api.sessions.linkOpenCodeSession, {
      ...worker,
      sessionId,
      opencodeSessionId: "ses_1",
      title: "\u001b[2J"
    })
    assert.strictEqual(await title(sessionId), "\u001b[2J")
  })
})

describe("an idempotency key", () => {
  it("never identifies a session that came from OpenCode", async () => {
    const { operator, worker } = await setUp()
    const { workerId } = worker
    // The key that such a session had in earlier versions, taken by the operator first, and the other way round.
    const key = (id: string) => `opencode ${workerId} ${id}`
    const create = (id: string) => operator.mutation(api.sessions.create, { workerId, idempotencyKey: key(id) })
    const before = await create("ses_1")
    const told = ["ses_1", "ses_2"].map((opencodeSessionId) => ({ opencodeSessionId, title: "T", updatedAt: 1 }))
    await operator.mutation(api.sync.apply, { ...worker, sessions: told })
    assert.strictEqual(await create("ses_1"), before)
    const session = await operator.query(api.sessions.get, { sessionId: await create("ses_2") })
    assert.strictEqual(session?.origin, "operator")
  })

  it("never identifies a turn that came from OpenCode", async () => {
    const { operator, worker, sessionId } = await setUp()
    const turn = { messageId: "msg_1", text: "Theirs", askedAt: 1, finishedAt: 1, outcome: "completed" } as const
    await operator.mutation(api.history.add, { ...worker, sessionId, turns: [{ ...turn, parts: [] }] })
    const idempotencyKey = "opencode msg_1"
    const turnId = await operator.mutation(api.turns.send, { sessionId, text: "Mine", idempotencyKey })
    assert.strictEqual((await operator.query(api.turns.live, { turnId, after: 0 })).status, "queued")
  })

  it("is rejected for another purpose than its first", async () => {
    const { operator, worker, sessionId } = await setUp()
    const { workerId } = worker
    const other = await enlist(operator)
    const second = await newSession(operator, workerId)
    const key = { idempotencyKey: "k" }
    await operator.mutation(api.sessions.rename, { sessionId, title: "T", ...key })
    await operator.mutation(api.sessions.create, { workerId, ...key })
    await operator.mutation(api.turns.send, { sessionId, text: "One", ...key })
    await operator.mutation(api.workers.pause, { workerId, idempotencyKey: "pause" })
    const turnId = await send(operator, second)
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    const refusals = await Promise.all(
      [
        operator.mutation(api.sessions.remove, { sessionId, ...key }),
        operator.mutation(api.sessions.rename, { sessionId: second, title: "T", ...key }),
        operator.mutation(api.sessions.loadHistory, { sessionId, ...key }),
        operator.mutation(api.workers.resume, { workerId, idempotencyKey: "pause" }),
        operator.mutation(api.workers.pause, { workerId: other.workerId, idempotencyKey: "pause" }),
        operator.mutation(api.sessions.create, { workerId: other.workerId, ...key }),
        operator.mutation(api.turns.send, { sessionId, text: "Two", ...key })
      ].map(refusalOf)
    )
    assert.deepStrictEqual(new Set(refusals), new Set(["Conflict"]))
    assert.strictEqual((await operator.query(api.sessions.get, { sessionId }))?.status, "idle")
  })
})

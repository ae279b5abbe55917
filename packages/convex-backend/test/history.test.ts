import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const turn = { finishedAt: 1_000, outcome: "completed" as const, parts: [{ index: 0, kind: "text", payload: '"b"' }] }
  return {
    operator,
    worker,
    sessionId,
    add: (messageId: string, text: string, change: Partial<{ error: { name: string; message: string } }> = {}) =>
      operator.mutation(api.history.add, { ...worker, sessionId, messageId, text, ...turn, ...change }),
    list: async () =>
      (await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 20, cursor: null } })).page
  }
}

describe("history", () => {
  it("comes before what was asked here, told from the newest to the oldest, each once", async () => {
    const { operator, worker, sessionId, add, list } = await setUp()
    const turnId = await send(operator, sessionId, "Third")
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    assert.isFalse(await add(ids.messageId, "Third"))
    assert.isTrue(await add("msg_second", "Second"))
    assert.isTrue(await add("msg_first", "First"))
    assert.isFalse(await add("msg_second", "Second"))
    await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [] })
    await send(operator, sessionId, "Fourth")
    const turns = await list()
    assert.deepStrictEqual(
      turns.map(({ text, status }) => [text, status]),
      [
        ["First", "completed"],
        ["Second", "completed"],
        ["Third", "completed"],
        ["Fourth", "queued"]
      ]
    )
    const [first] = turns
    if (first === undefined) return assert.fail("There is none")
    const parts = await operator.query(api.turns.parts, { turnId: first.turnId })
    assert.deepStrictEqual(parts, [{ index: 0, kind: "text", payload: '"b"' }])
    assert.strictEqual(first.finishedAt, 1_000)
  })

  it("of a session that nothing was asked in lets the first prompt run", async () => {
    const { operator, worker, sessionId, add } = await setUp()
    await add("msg_1", "Before")
    const turnId = await send(operator, sessionId)
    const [ready] = await operator.query(api.queue.ready, { ...worker, limit: 1 })
    assert.strictEqual(ready?.turnId, turnId)
  })

  it("refuses over-long input, naming the field", async () => {
    const { add } = await setUp()
    const refusals = [
      add("x".repeat(501), "t"),
      add("m", "x".repeat(200_001)),
      add("m", "t", { error: { name: "E", message: "x".repeat(4_001) } })
    ]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})

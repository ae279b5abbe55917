import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { MAX_TODO, MAX_TODOS } from "../convex/limits.ts"
import { todosOf } from "../convex/sessionStates.ts"
import { api, type Id } from "../src/api.ts"
import { passTime, resetTime } from "./support/clock.ts"
import { enlist, ids, newSession, send, useDeployment } from "./support/deployment.ts"
import { afterEach } from "vitest"

const deployment = useDeployment()
afterEach(resetTime)

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  return {
    operator,
    worker,
    sessionId,
    claim: (turnId: Id<"turns">) => operator.mutation(api.queue.claim, { ...worker, turnId, ...ids }),
    finish: (turnId: Id<"turns">, more: object) =>
      operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts: [], ...more }),
    get: () => operator.query(api.sessions.get, { sessionId }),
    watched: () => operator.query(api.deltas.watched, worker)
  }
}

const todoCall = (todos: unknown, more: object = {}) => ({
  index: 0,
  kind: "tool",
  payload: JSON.stringify({ tool: "todowrite", state: { status: "completed", input: { todos } }, ...more })
})

describe("a session", () => {
  it("has the queue in order, the todos of its last list, and the use of its context", async () => {
    const { claim, finish, get, operator, sessionId } = await setUp()
    assert.deepInclude(await get(), { todos: [], context: null, changes: null, queue: [] })
    const first = await send(operator, sessionId, "One")
    const second = await send(operator, sessionId, "Two")
    await claim(first)
    assert.deepStrictEqual(
      (await get())?.queue.map(({ head, status, turnId }) => [turnId, head, status]),
      [
        [first, "One", "claimed"],
        [second, "Two", "queued"]
      ]
    )
    const todo = { content: "Look", status: "pending", priority: "high" }
    const files = ["a", "b"].map((file) => ({ file, status: "added" as const, additions: 2, deletions: 1, hash: null }))
    const changes = { files, patch: "", truncated: false }
    await finish(first, { context: { tokens: 10, limit: 100 }, parts: [todoCall([todo])], changes })
    const totals = { files: 2, additions: 4, deletions: 2 }
    assert.deepInclude(await get(), { todos: [todo], context: { tokens: 10, limit: 100 }, changes: totals })
    await claim(second)
    await finish(second, { context: { tokens: 20 } })
    assert.deepInclude(await get(), { todos: [todo], context: { tokens: 20 }, changes: null, queue: [] })
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: randomUUID() })
  })

  it("is reported to its worker while a client watches it and a turn runs", async () => {
    const { claim, finish, operator, sessionId, watched } = await setUp()
    const turnId = await send(operator, sessionId)
    await operator.mutation(api.sessions.watch, { sessionId })
    assert.deepStrictEqual(await watched(), [])
    await claim(turnId)
    assert.deepStrictEqual(await watched(), [turnId])
    passTime(46_000)
    assert.deepStrictEqual(await watched(), [])
    await operator.mutation(api.sessions.watch, { sessionId })
    assert.deepStrictEqual(await watched(), [turnId])
    await finish(turnId, {})
    assert.deepStrictEqual(await watched(), [])
  })
})

describe("the todos of a turn", () => {
  const Todo = Schema.Struct({ content: Schema.String, status: Schema.Unknown, priority: Schema.String })

  it.prop("are bounded and well-formed, whatever the model wrote", [Schema.Array(Todo)], ([written]) => {
    const todos = Array.from({ length: 20 }, () => written).flat()
    const [first, ...rest] =
      todosOf([todoCall(todos.map((each) => ({ ...each, content: `${each.content}\ud800`.repeat(400) })))]) ?? []
    assert.isAtMost(rest.length, MAX_TODOS - 1)
    assert.isTrue(first === undefined || (first.content.isWellFormed() && first.content.length <= MAX_TODO))
  })

  it("are those of the last list that was accepted", () => {
    const one = [{ content: "1", status: "pending", priority: "low" }]
    assert.deepStrictEqual(todosOf([todoCall(one), todoCall([], { state: { status: "error" } })]), one)
    assert.isUndefined(todosOf([{ index: 0, kind: "text", payload: "todowrite" }, todoCall("none")]))
    assert.deepStrictEqual(todosOf([todoCall([null])]), [{ content: "", status: "", priority: "" }])
  })
})

import { randomUUID } from "node:crypto"
import { afterEach, assert, describe, it } from "vitest"
import { api, type Id } from "../src/api.ts"
import { passTime, resetTime } from "./support/clock.ts"
import { enlist, eventually, pair, refusalOf, useDeployment } from "./support/deployment.ts"
import { newDevice } from "./support/device.ts"

const deployment = useDeployment()
afterEach(resetTime)

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const { workerId } = worker
  return {
    operator,
    worker,
    ask: (path = "a.txt", idempotencyKey: string = randomUUID()) =>
      operator.mutation(api.queries.ask, { workerId, query: { kind: "readFile", path }, idempotencyKey }),
    get: (queryId: Id<"queries">) => refusalOf(operator.query(api.queries.get, { queryId })),
    close: (queryId: Id<"queries">) => operator.mutation(api.queries.close, { queryId }),
    waiting: () => operator.query(api.queries.waiting, worker),
    answer: (queryId: Id<"queries">, outcome: { readonly result?: string; readonly error?: string }) =>
      operator.mutation(api.queries.answer, { ...worker, queryId, ...outcome })
  }
}

describe("queries", () => {
  it("are one per key, wait for the worker, keep the first answer, and are deleted when they are closed", async () => {
    const { answer, ask, close, get, waiting } = await setUp()
    const queryId = await ask("a.txt", "k")
    assert.strictEqual(await ask("a.txt", "k"), queryId)
    assert.strictEqual(await refusalOf(ask("b.txt", "k")), "Conflict")
    assert.deepStrictEqual(await waiting(), [{ queryId, query: { kind: "readFile", path: "a.txt" } }])
    assert.deepStrictEqual(await get(queryId), { accepted: { result: null } })
    await answer(queryId, { result: "{}" })
    await answer(queryId, { error: "too late" })
    assert.deepStrictEqual(await waiting(), [])
    assert.deepStrictEqual(await get(queryId), { accepted: { result: "{}" } })
    await close(queryId)
    await close(queryId)
    assert.strictEqual(await get(queryId), "NotFound")
    assert.notStrictEqual(await ask("a.txt", "k"), queryId)
  })

  it("fail with the worker's reason", async () => {
    const { answer, ask, get, operator } = await setUp()
    const queryId = await ask()
    await answer(queryId, { error: "There is no such file" })
    assert.strictEqual(await get(queryId), "QueryFailed")
    const failure = await operator.query(api.queries.get, { queryId }).then(() => undefined, String)
    assert.include(failure, "There is no such file")
  })

  it("expire without an answer, and are deleted without a reader", async () => {
    const { answer, ask, get, waiting } = await setUp()
    const queryId = await ask()
    passTime(16_000)
    await deployment().restart()
    await eventually(
      () => get(queryId),
      (ended) => ended === "Expired"
    )
    assert.deepStrictEqual(await waiting(), [])
    await answer(queryId, { result: "{}" })
    assert.strictEqual(await get(queryId), "Expired")
    passTime(46_000)
    await deployment().restart()
    await eventually(
      () => get(queryId),
      (ended) => ended === "NotFound"
    )
  })

  it("are limited per worker until they are closed", async () => {
    const { answer, ask, close } = await setUp()
    const ids = []
    for (let index = 0; index < 20; index++) ids.push(await ask())
    assert.strictEqual(await refusalOf(ask()), "RateLimited")
    const [first] = ids
    if (first === undefined) return assert.fail()
    await answer(first, { result: "{}" })
    assert.strictEqual(await refusalOf(ask()), "RateLimited")
    await close(first)
    assert.property(await refusalOf(ask()), "accepted")
  })

  it("need a worker that is approved and online", async () => {
    const { ask, operator, worker } = await setUp()
    const { workerId } = await pair(operator)
    const offline = { workerId, query: { kind: "vcs" as const }, idempotencyKey: "k" }
    assert.strictEqual(await refusalOf(operator.mutation(api.queries.ask, offline)), "Conflict")
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    assert.strictEqual(await refusalOf(ask()), "Revoked")
  })

  it("have a bounded text, path and result", async () => {
    const { answer, ask, operator, worker } = await setUp()
    const query = { kind: "findFiles" as const, text: "x".repeat(501) }
    const find = { workerId: worker.workerId, query, idempotencyKey: "k" }
    assert.strictEqual(await refusalOf(operator.mutation(api.queries.ask, find)), "InvalidArgument")
    assert.strictEqual(await refusalOf(ask("x".repeat(4_097))), "InvalidArgument")
    assert.strictEqual(await refusalOf(ask("")), "InvalidArgument")
    const queryId = await ask()
    assert.strictEqual(await refusalOf(answer(queryId, { result: "x".repeat(250_001) })), "InvalidArgument")
    assert.deepStrictEqual(await refusalOf(answer(queryId, { result: "€".repeat(250_000) })), { accepted: null })
  })

  it("are read by the device that asked only", async () => {
    const { answer, get, operator, worker } = await setUp()
    const [asker, other] = [
      await newDevice(deployment(), operator, "operate"),
      await newDevice(deployment(), operator, "read")
    ]
    const ask = { workerId: worker.workerId, query: { kind: "vcs" as const }, idempotencyKey: "k" }
    const queryId = await asker.client.mutation(api.queries.ask, ask)
    await answer(queryId, { result: "{}" })
    assert.strictEqual(await refusalOf(other.client.query(api.queries.get, { queryId })), "NotFound")
    assert.strictEqual(await get(queryId), "NotFound")
    assert.strictEqual(await refusalOf(operator.mutation(api.queries.ask, ask)), "Conflict")
    await operator.mutation(api.queries.close, { queryId })
    assert.deepStrictEqual(await asker.client.query(api.queries.get, { queryId }), { result: "{}" })
  })
})

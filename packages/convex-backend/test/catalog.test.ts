import { randomUUID } from "node:crypto"
import { ConvexError } from "convex/values"
import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, newSession, refusalOf, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const agents = [
  { name: "build", mode: "primary" },
  { name: "plan", mode: "primary", description: "Plans only" },
  { name: "explore", mode: "subagent" },
  { name: "title", mode: "primary", hidden: true }
]
const commands = [{ name: "review", description: "Reviews the changes", subtask: true }]
const skills = [{ name: "release" }]
const catalog = { hash: "1", agents, commands, skills }
const models = JSON.stringify([{ id: "p/a", variants: ["low", "high"] }, { id: "p/b", variants: [] }, { id: "p/c" }])

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  const ask = (names: { agent?: string; model?: string; variant?: string }) =>
    operator.mutation(api.turns.send, { sessionId, text: "Hi", ...names, idempotencyKey: randomUUID() })
  return {
    operator,
    worker,
    sessionId,
    ask,
    publish: (change: object = {}) => operator.mutation(api.catalog.publish, { ...worker, ...catalog, ...change }),
    get: () => operator.query(api.catalog.get, { workerId: worker.workerId })
  }
}

const messageOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call
  } catch (error) {
    if (error instanceof ConvexError) return error.data.message
  }
  return "accepted"
}

describe("a catalogue", () => {
  it("is returned as published last, and is written only with another hash", async () => {
    const { get, operator, publish, worker } = await setUp()
    assert.deepStrictEqual([await operator.query(api.catalog.published, worker), await get()], [null, null])
    await publish()
    assert.deepStrictEqual(await get(), catalog)
    await publish({ agents: [] })
    assert.deepStrictEqual(await get(), catalog)
    await publish({ hash: "2", agents: [] })
    assert.deepStrictEqual(await get(), { ...catalog, hash: "2", agents: [] })
    assert.strictEqual(await operator.query(api.catalog.published, worker), "2")
  })

  it("takes at most 250,000 characters", async () => {
    const { publish } = await setUp()
    const skill = { name: "s", description: "x".repeat(300) }
    assert.strictEqual(
      await refusalOf(publish({ skills: Array.from({ length: 1_000 }, () => skill) })),
      "InvalidArgument"
    )
  })
})

describe("a prompt", () => {
  it("with an agent that the worker does not have is rejected, with the agents that it has", async () => {
    const { ask, publish } = await setUp()
    await ask({ agent: "anything" })
    await publish()
    for (const agent of ["plan", "explore", "title"]) await ask({ agent })
    assert.strictEqual(
      await messageOf(ask({ agent: "plann" })),
      'The worker has no agent "plann". It has build, plan. Refresh its models if it is new'
    )
  })

  it("with a variant that its model does not have is rejected, with those that it has", async () => {
    const { ask, operator, worker } = await setUp()
    await ask({ model: "p/a", variant: "anything" })
    await operator.mutation(api.models.publish, { ...worker, hash: "1", models, default: null })
    await ask({ model: "p/a", variant: "high" })
    await ask({ variant: "low" })
    assert.include(await messageOf(ask({ model: "p/a", variant: "max" })), 'variant of p/a "max". It has low, high.')
    assert.include(await messageOf(ask({ model: "p/b", variant: "low" })), "It has none.")
    assert.include(await messageOf(ask({ variant: "max" })), 'variant "max". It has low, high.')
  })

  it("is rejected by an edit too, and a repeated call with the same key is not", async () => {
    const { operator, publish, sessionId } = await setUp()
    const call = { sessionId, text: "Hi", agent: "old", idempotencyKey: "k" }
    const turnId = await operator.mutation(api.turns.send, call)
    await publish()
    assert.strictEqual(await operator.mutation(api.turns.send, call), turnId)
    assert.strictEqual(
      await refusalOf(operator.mutation(api.promptQueue.edit, { turnId, agent: "plann" })),
      "InvalidArgument"
    )
    await operator.mutation(api.promptQueue.edit, { turnId, agent: "plan" })
  })

  it("waits for the worker's own check while the worker is offline", async () => {
    const { ask, operator, publish, sessionId, worker } = await setUp()
    await publish()
    await operator.mutation(api.lease.release, worker)
    const turnId = await ask({ agent: "plann" })
    const [queued] = await operator.query(api.promptQueue.list, { sessionId })
    assert.strictEqual(queued?.turnId, turnId)
  })
})

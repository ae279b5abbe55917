/** Turns that run a command of OpenCode, and turns with a budget. */
import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()
const commands = [{ name: "review", description: "Reviews the changes" }]

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  await operator.mutation(api.catalog.publish, { ...worker, hash: "1", agents: [], commands, skills: [] })
  return {
    operator,
    sessionId,
    claim: (turnId: Awaited<ReturnType<typeof send>>) =>
      operator.mutation(api.queue.claim, { ...worker, turnId, ...ids }),
    run: (name: string, args: string, idempotencyKey = "k") =>
      operator.mutation(api.turns.command, { sessionId, name, arguments: args, idempotencyKey })
  }
}

describe("turns.command", () => {
  it("queues a turn whose text is the call, once for a key, and the claim names the command", async () => {
    const { claim, operator, run, sessionId } = await setUp()
    const turnId = await run("review", "the last commit")
    assert.strictEqual(await run("review", "the last commit"), turnId)
    for (const call of [
      run("review", "all"),
      operator.mutation(api.turns.send, { sessionId, text: "/review the last commit", idempotencyKey: "k" })
    ]) {
      assert.strictEqual(await refusalOf(call), "Conflict")
    }
    const [turn] = (await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 1, cursor: null } }))
      .page
    assert.deepInclude(turn, { command: "review", head: "/review the last commit" })
    assert.deepInclude(await claim(turnId), { command: "review", text: "/review the last commit" })
  })

  it("rejects a command that the worker does not have, and arguments that are too long", async () => {
    const { run } = await setUp()
    assert.strictEqual(await refusalOf(run("revieww", "")), "InvalidArgument")
    assert.strictEqual(await refusalOf(run("review", "x".repeat(200_001))), "InvalidArgument")
    assert.strictEqual(await refusalOf(run("review", "x".repeat(200_000))), "InvalidArgument")
  })

  it("stays the same command when it is edited and sent again", async () => {
    const { operator, run } = await setUp()
    const turnId = await run("review", "")
    assert.strictEqual(
      await refusalOf(operator.mutation(api.promptQueue.edit, { turnId, text: "/reviewed" })),
      "InvalidArgument"
    )
    await operator.mutation(api.promptQueue.edit, { turnId, text: "/review all" })
    await operator.mutation(api.turns.abort, { turnId })
    const again = await operator.mutation(api.turns.resend, { turnId, idempotencyKey: "again" })
    const [, turn] = (
      await operator.query(api.turns.list, {
        sessionId: (await operator.query(api.turns.live, { turnId, after: 0 })).sessionId,
        paginationOpts: { numItems: 2, cursor: null }
      })
    ).page
    assert.deepInclude(turn, { turnId: again, command: "review", head: "/review all" })
  })
})

describe("a budget", () => {
  it("comes with the claim, and is kept when the prompt is sent again", async () => {
    const { claim, operator, sessionId } = await setUp()
    const budget = { cost: 0.5, tokens: 1_000 }
    const turnId = await operator.mutation(api.turns.send, { sessionId, text: "Hi", budget, idempotencyKey: "1" })
    await operator.mutation(api.turns.abort, { turnId })
    const again = await operator.mutation(api.turns.resend, { turnId, idempotencyKey: "2" })
    assert.deepInclude(await claim(again), { budget })
  })

  it.each([{}, { cost: 0 }, { tokens: -1 }, { cost: Number.NaN }])("of %j is rejected", async (budget) => {
    const { operator, sessionId } = await setUp()
    assert.strictEqual(
      await refusalOf(operator.mutation(api.turns.send, { sessionId, text: "Hi", budget, idempotencyKey: "k" })),
      "InvalidArgument"
    )
  })
})

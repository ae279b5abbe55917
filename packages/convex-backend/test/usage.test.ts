import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()
const usage = { input: 10, output: 2, reasoning: 1, cost: 0.5, cacheRead: 100, cacheWrite: 7, context: 117 }
const sum = { turns: 1, input: 10, output: 2, reasoning: 1, cacheRead: 100, cacheWrite: 7, cost: 0.5 }

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  return {
    operator,
    worker,
    sessionId,
    run: async (model: string, of = sessionId) => {
      const turnId = await send(operator, of)
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
      const finish = () =>
        operator.mutation(api.queue.finish, {
          ...worker,
          turnId,
          outcome: "completed",
          usage,
          answeredBy: { model, agent: "build" },
          parts: []
        })
      await finish()
      // Recovery may end it again.
      await finish()
    },
    days: async () => {
      const paginationOpts = { numItems: 100, cursor: null }
      return (await operator.query(api.usage.days, { from: "2000-01-01", to: "3000-01-01", paginationOpts })).page
    }
  }
}

describe("usage", () => {
  it("counts each turn once, by session, day, worker and model", async () => {
    const { operator, worker, sessionId, run, days } = await setUp()
    const other = await newSession(operator, worker.workerId)
    await run("p/one")
    await run("p/one", other)
    await run("p/two")
    const ofSession = await operator.query(api.usage.session, { sessionId })
    assert.deepStrictEqual(ofSession, {
      turns: 2,
      input: 20,
      output: 4,
      reasoning: 2,
      cacheRead: 200,
      cacheWrite: 14,
      cost: 1,
      context: 117
    })
    const rows = await days()
    assert.sameDeepMembers(
      rows.map(({ day, ...row }) => ({ ...row, isDay: /^\d{4}-\d\d-\d\d$/.test(day) })),
      [
        { isDay: true, workerId: worker.workerId, model: "p/two", ...sum },
        {
          isDay: true,
          workerId: worker.workerId,
          model: "p/one",
          ...sum,
          turns: 2,
          input: 20,
          output: 4,
          reasoning: 2,
          cacheRead: 200,
          cacheWrite: 14,
          cost: 1
        }
      ]
    )
  })

  it("is zero for a session without turns, and takes days only", async () => {
    const { operator, sessionId } = await setUp()
    const paginationOpts = { numItems: 1, cursor: null }
    assert.deepInclude(await operator.query(api.usage.session, { sessionId }), { turns: 0, cost: 0, context: null })
    const wrong = operator.query(api.usage.days, { from: "today", to: "2026-01-01", paginationOpts })
    assert.strictEqual(await refusalOf(wrong), "InvalidArgument")
  })
})

/** Positions and sizes that a client chooses: whatever number they are, a function reads what belongs to its caller. */
import { assert, describe, it } from "vitest"
import { api } from "../../src/api.ts"
import { enlist, ids, newSession, send, useDeployment } from "../support/deployment.ts"

const deployment = useDeployment()

/** A turn with streamed text that has this mark. */
const streaming = async (mark: string) => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const turnId = await send(operator, await newSession(operator, worker.workerId))
  await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
  for (const seq of [1, 2]) {
    const segments = [{ partId: "p", kind: "text" as const, text: mark }]
    await operator.mutation(api.queue.appendDeltas, { ...worker, batches: [{ turnId, seq, segments }] })
  }
  return { operator, turnId, worker }
}

const NUMBERS = [0, -0, -1, 0.5, 1e308, -1e308, Infinity, -Infinity, NaN, 2 ** 53]

describe("positions", () => {
  it("of turns.live and queue.listDeltas cannot leave the caller's turn", async () => {
    const own = await streaming("own")
    await streaming("another's")
    for (const after of NUMBERS) {
      const args = { turnId: own.turnId, after }
      const { deltas } = await own.operator.query(api.turns.live, args)
      const streamed = await own.operator.query(api.queue.listDeltas, { ...own.worker, ...args })
      assert.notInclude(JSON.stringify([deltas, streamed]), "another's", String(after))
      assert.isAtMost(deltas.length, 2)
    }
  })

  it("and page sizes cannot leave the caller's sessions or exceed the largest page", async () => {
    const { operator, worker } = await streaming("own")
    await streaming("another's")
    for (const numItems of NUMBERS.filter((number) => !(number < 0))) {
      const paginationOpts = { cursor: null, numItems, maximumRowsRead: numItems, maximumBytesRead: -numItems }
      const { page } = await operator.query(api.sessions.list, { paginationOpts })
      assert.isTrue(page.every(({ workerId }) => workerId === worker.workerId))
      const ready = await operator.query(api.queue.listReady, { ...worker, limit: numItems })
      assert.isAtMost(ready.length, 1)
    }
  })
})

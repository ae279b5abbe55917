/** The list of workers: what they report, and how much they have to do. */
import { randomUUID } from "node:crypto"
import { assert, describe, it } from "vitest"
import { incompatibility } from "../convex/protocol.ts"
import { api, type Id } from "../src/api.ts"
import { enlist, eventually, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  return {
    operator,
    worker,
    load: async () => {
      const [row] = await operator.query(api.workers.list, {})
      return [row?.running, row?.queued]
    },
    claim: async (turnId: Id<"turns">, messageId = randomUUID()) =>
      operator.mutation(api.queue.claim, { ...worker, turnId, messageId, partId: "p" })
  }
}

const info = {
  version: "1.0.0",
  opencode: { version: "1.18.33", state: "running" },
  branch: "feature/list",
  permissions: "careful",
  shell: true,
  diskFree: 5_000_000_000,
  databaseBytes: 40_000_000
}

describe("workers.list", () => {
  it("has what the worker reported last, also when it is offline", async () => {
    const { operator, worker } = await setUp()
    const shown = async () => (await operator.query(api.workers.list, {}))[0]?.info
    assert.isNull(await shown())
    await operator.mutation(api.workers.report, { ...worker, info })
    assert.deepStrictEqual(await shown(), info)
    const later = { ...info, branch: null, opencode: { version: null, state: "stopped" }, diskFree: null }
    await operator.mutation(api.workers.report, { ...worker, info: later })
    await operator.mutation(api.lease.release, worker)
    assert.deepStrictEqual(await shown(), later)
    const names = operator.mutation(api.workers.report, { ...worker, info })
    assert.strictEqual(await refusalOf(names), "Fenced")
  })

  it("counts running and queued turns through every change of a turn", async () => {
    const { claim, load, operator, worker } = await setUp()
    assert.deepStrictEqual(await load(), [0, 0])
    const sessionId = await newSession(operator, worker.workerId)
    const first = await send(operator, sessionId)
    const second = await send(operator, sessionId)
    const other = await send(operator, await newSession(operator, worker.workerId))
    assert.deepStrictEqual(await load(), [0, 3])
    await claim(first)
    await claim(other)
    assert.deepStrictEqual(await load(), [2, 1])
    await operator.mutation(api.queue.requeue, { ...worker, turnId: other })
    assert.deepStrictEqual(await load(), [1, 2])
    await operator.mutation(api.queue.markDelivered, { ...worker, turnId: first })
    assert.deepStrictEqual(await load(), [1, 2])
    await operator.mutation(api.turns.abort, { turnId: other })
    assert.deepStrictEqual(await load(), [1, 1])
    await operator.mutation(api.queue.finish, { ...worker, turnId: first, outcome: "completed", parts: [] })
    assert.deepStrictEqual(await load(), [0, 1])
    // Deleting a session deletes its queued turns.
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: "r" })
    await eventually(load, ([, queued]) => queued === 0)
    await eventually(
      () => operator.query(api.sessions.get, { sessionId }),
      (session) => session === null
    )
    await send(operator, await newSession(operator, worker.workerId))
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    await eventually(load, ([, queued]) => queued === 0)
    assert.isString(second)
  })

  it("counts again when a process acquires the lease", async () => {
    const { claim, load, operator, worker } = await setUp()
    const { epoch: _, ...credentials } = worker
    await claim(await send(operator, await newSession(operator, worker.workerId)))
    await send(operator, await newSession(operator, worker.workerId))
    await operator.mutation(api.lease.release, worker)
    await operator.mutation(api.lease.acquire, { ...credentials, processId: "next" })
    assert.deepStrictEqual(await load(), [1, 1])
  })
})

const refused = (worker: string, at: string) => incompatibility(worker, at)?.message ?? null

describe("the protocol", () => {
  it("of the deployment's version and the previous minor one is accepted", () => {
    assert.isNull(refused("1.2", "1.2"))
    assert.isNull(refused("1.1", "1.2"))
    assert.match(
      refused("1.0", "1.2") ?? "",
      /protocol 1\.0 is older than the deployment's 1\.2: update opencode-worker/
    )
    assert.match(refused("1.3", "1.2") ?? "", /newer.*: deploy the functions/)
    assert.match(refused("2.0", "1.9") ?? "", /newer/)
    assert.match(refused("1.9", "2.0") ?? "", /older/)
    assert.isNull(incompatibility())
  })
})

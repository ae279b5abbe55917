/** The security audit of a worker, and the immediate effect of rotation and revocation on open subscriptions. */
import { ConvexClient } from "convex/browser"
import { assert, describe, it, onTestFinished } from "vitest"
import { api } from "../src/api.ts"
import {
  answerRequest,
  enlist,
  ids,
  newSecret,
  newSession,
  openRequest,
  permission,
  question,
  refusalOf,
  send,
  sha256,
  type Signature,
  useDeployment
} from "./support/deployment.ts"

const deployment = useDeployment()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const { workerId } = worker
  return {
    operator,
    worker,
    audit: async (numItems = 20, cursor: string | null = null) =>
      operator.query(api.workers.audit, { workerId, paginationOpts: { numItems, cursor } }),
    rotate: (secret: string, as: Signature = worker) =>
      operator.mutation(api.pairing.rotate, { ...as, secretHash: sha256(secret) }),
    heartbeat: (as: Signature = worker) => operator.mutation(api.lease.heartbeat, { ...as, phase: "ready" }),
    /** A subscription that has its first answer, and the refusal that ends it. */
    subscribe: async (as: Signature = worker) => {
      const client = new ConvexClient(deployment().url, { logger: false })
      onTestFinished(() => client.close())
      const answered = Promise.withResolvers<unknown>()
      const ended = Promise.withResolvers<never>()
      client.onUpdate(api.queue.listReady, { ...as, limit: 1 }, answered.resolve, ended.reject)
      await answered.promise
      return { ended: ended.promise }
    }
  }
}

describe("a worker's secret", () => {
  it("that was rotated is rejected immediately, also on open subscriptions; the lease continues with the new one", async () => {
    const { worker, rotate, heartbeat, subscribe } = await setUp()
    const refused = refusalOf((await subscribe()).ended)
    const secret = newSecret()
    await rotate(secret)
    assert.strictEqual(await refused, "WrongSecret")
    assert.strictEqual(await refusalOf(heartbeat()), "WrongSecret")
    assert.strictEqual(await refusalOf(rotate(newSecret())), "WrongSecret")
    assert.property(await refusalOf(heartbeat({ ...worker, secret })), "accepted")
  })

  it("is rotated once, also if the call is repeated because its answer was lost", async () => {
    const { worker, rotate, audit } = await setUp()
    const secret = newSecret()
    const renewed = { ...worker, secret }
    assert.strictEqual(await refusalOf(rotate(secret, renewed)), "WrongSecret")
    await rotate(secret)
    await rotate(secret, renewed)
    const { page } = await audit()
    assert.deepStrictEqual(
      page.map(({ action, actorId }) => [action, actorId === worker.workerId]),
      [
        ["rotate", true],
        ["approve", false]
      ]
    )
  })

  it("is never sent to the deployment", async () => {
    const { operator, worker } = await setUp()
    const call = operator.mutation(api.pairing.rotate, { ...worker, secretHash: newSecret() })
    assert.strictEqual(await refusalOf(call), "InvalidArgument")
  })
})

describe("the audit", () => {
  it("records who approved, answered and revoked, the newest first, in pages", async () => {
    const { operator, worker, audit } = await setUp()
    const turnId = await send(operator, await newSession(operator, worker.workerId))
    await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    const requestId = await openRequest(operator, { ...worker, turnId, ...permission })
    await answerRequest(operator, requestId, { type: "once" })
    await answerRequest(operator, requestId, { type: "once" })
    const questionId = await openRequest(operator, { ...worker, turnId, ...question })
    await answerRequest(operator, questionId, { type: "dismiss" })
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })

    const first = await audit(2)
    const second = await audit(2, first.continueCursor)
    assert.isTrue(second.isDone)
    assert.deepStrictEqual(
      [...first.page, ...second.page].map(({ action, detail }) => [action, detail]),
      [
        ["revoke", null],
        ["answer", "once: bash: touch a.txt"],
        ["approve", null]
      ]
    )
    const actors = new Set([...first.page, ...second.page].map(({ actorId }) => actorId))
    assert.strictEqual(actors.size, 1)
    assert.match([...actors].join(), /^https:\/\/issuer\.test\|/)
  })

  it("records a revocation, which ends the worker's subscriptions", async () => {
    const { operator, worker, subscribe } = await setUp()
    const refused = refusalOf((await subscribe()).ended)
    await operator.mutation(api.workers.revoke, { workerId: worker.workerId })
    assert.strictEqual(await refused, "Revoked")
  })
})

import { afterEach, assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, eventually, newSecret, pair, refusalOf, sha256, useDeployment } from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"

const deployment = useDeployment()
afterEach(() => {
  resetTime()
})

const begin = async () => {
  const secret = newSecret()
  const begun = await deployment()
    .nobody()
    .mutation(api.pairing.begin, { machine: "laptop", directory: "/work", secretHash: sha256(secret) })
  return {
    ...begun,
    status: () => deployment().nobody().query(api.pairing.status, { pairingId: begun.pairingId, secret })
  }
}

/** The deployment runs in this process, so its clock is ours. A new scheduled function makes it look at those that are due. */
const passMinutes = async (minutes: number) => {
  passTime(minutes * 60_000)
  await begin()
}

describe("pairing", () => {
  it("a person who types the code owns the worker, however they type it", async () => {
    const operator = await deployment().operator()
    const { code, status } = await begin()
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
    assert.deepStrictEqual(await status(), { status: "pending", workerId: null })
    const typed = ` ${code.toLowerCase().replace("-", " ").replaceAll("0", "o").replaceAll("1", "l")}`
    const workerId = await operator.mutation(api.pairing.approve, { code: typed })
    assert.deepStrictEqual(await status(), { status: "approved", workerId })
    const [worker] = await operator.query(api.workers.list, {})
    assert.deepStrictEqual(worker, {
      workerId,
      machine: "laptop",
      directory: "/work",
      approval: "approved",
      phase: "paired",
      online: false
    })
  })

  it("approving twice gives the same worker; nobody else can approve after that", async () => {
    const operator = await deployment().operator()
    const stranger = await deployment().operator()
    const { code } = await begin()
    const workerId = await operator.mutation(api.pairing.approve, { code })
    assert.strictEqual(await operator.mutation(api.pairing.approve, { code }), workerId)
    assert.strictEqual(await refusalOf(stranger.mutation(api.pairing.approve, { code })), "NotFound")
  })

  it("a code is good for 10 minutes, and the waiting worker hears when it is not", async () => {
    const operator = await deployment().operator()
    const { code, status, expiresAt } = await begin()
    assert.approximately(expiresAt - Date.now(), 600_000, 60_000)
    await passMinutes(10)
    await eventually(status, (pairing) => pairing.status === "expired")
    assert.strictEqual(await refusalOf(operator.mutation(api.pairing.approve, { code })), "Expired")
  })

  it("an over-long code is refused as such", async () => {
    const operator = await deployment().operator()
    assert.strictEqual(
      await refusalOf(operator.mutation(api.pairing.approve, { code: "0".repeat(501) })),
      "InvalidArgument"
    )
  })
})

describe("workers", () => {
  it("are listed to their owner alone, the newest first", async () => {
    const operator = await deployment().operator()
    const stranger = await deployment().operator()
    await pair(stranger)
    const first = await pair(operator)
    const second = await enlist(operator)
    const workers = await operator.query(api.workers.list, {})
    assert.deepStrictEqual(
      workers.map(({ workerId, online, phase }) => ({ workerId, online, phase })),
      [
        { workerId: second.workerId, online: true, phase: "connecting" },
        { workerId: first.workerId, online: false, phase: "paired" }
      ]
    )
  })

  it("a revoked worker is shown as revoked and offline; revoking twice is no mistake", async () => {
    const operator = await deployment().operator()
    const { workerId } = await enlist(operator)
    await operator.mutation(api.workers.revoke, { workerId })
    await operator.mutation(api.workers.revoke, { workerId })
    const [worker] = await operator.query(api.workers.list, {})
    assert.deepNestedInclude(worker, { approval: "revoked", online: false, phase: "revoked" })
  })
})

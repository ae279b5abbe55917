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
    .anonymous()
    .mutation(api.pairing.begin, {
      machine: "laptop",
      directory: "/work",
      permissions: "careful",
      secretHash: sha256(secret)
    })
  return {
    ...begun,
    secret,
    status: () => deployment().anonymous().query(api.pairing.status, { pairingId: begun.pairingId, secret })
  }
}

/** The deployment runs in this process, so its clock is ours. A new scheduled function makes it look at those that are due. */
const passMinutes = async (minutes: number) => {
  passTime(minutes * 60_000)
  await begin()
}

describe("pairing", () => {
  it("the operator who enters the code owns the worker, in any spelling of the code", async () => {
    const operator = await deployment().operator()
    const { code, status } = await begin()
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/)
    assert.deepStrictEqual(await status(), { status: "pending", workerId: null, ownerId: null })
    const typed = ` ${code.toLowerCase().replace("-", " ").replaceAll("0", "o").replaceAll("1", "l")}`
    const workerId = await operator.action(api.pairing.approve, { code: typed })
    const { ownerId, ...approved } = await status()
    assert.deepStrictEqual(approved, { status: "approved", workerId })
    assert.match(ownerId ?? "", /^https:\/\/issuer\.test\|/)
    const [worker] = await operator.query(api.workers.list, {})
    assert.deepStrictEqual(worker, {
      workerId,
      machine: "laptop",
      directory: "/work",
      approval: "approved",
      phase: "paired",
      online: false,
      lastSeenAt: null,
      advice: null,
      info: null,
      running: 0,
      queued: 0
    })
  })

  it("an operator sees the worker before the approval, and the worker its owner afterwards", async () => {
    const operator = await deployment().operator()
    const stranger = await deployment().operator()
    const { code, expiresAt, secret, status } = await begin()
    const preview = await operator.action(api.pairing.preview, { code })
    const { createdAt, ...shown } = preview
    const names = { machine: "laptop", directory: "/work", permissions: "careful" }
    assert.deepStrictEqual(shown, { ...names, address: null, expiresAt })
    assert.approximately(createdAt, Date.now(), 60_000)
    assert.strictEqual((await status()).status, "pending")
    const workerId = await operator.action(api.pairing.approve, { code })
    assert.deepStrictEqual(await operator.action(api.pairing.preview, { code }), preview)
    assert.strictEqual(await refusalOf(stranger.action(api.pairing.preview, { code })), "NotFound")
    const { ownerId } = await stranger.query(api.pairing.owner, { workerId, secret })
    assert.strictEqual(ownerId, (await status()).ownerId)
  })

  it("wrong codes of previews count as those of approvals", async () => {
    const operator = await deployment().operator()
    const { code } = await begin()
    const preview = (typed: string) => refusalOf(operator.action(api.pairing.preview, { code: typed }))
    const wrong = await Promise.all(Array.from({ length: 10 }, () => preview("0000-0000")))
    assert.deepStrictEqual(new Set(wrong), new Set(["NotFound"]))
    assert.strictEqual(await preview(code), "RateLimited")
    assert.strictEqual(await refusalOf(operator.action(api.pairing.approve, { code })), "RateLimited")
  })

  it("approving twice returns the same worker; no other operator can approve afterwards", async () => {
    const operator = await deployment().operator()
    const stranger = await deployment().operator()
    const { code } = await begin()
    const workerId = await operator.action(api.pairing.approve, { code })
    assert.strictEqual(await operator.action(api.pairing.approve, { code }), workerId)
    assert.strictEqual(await refusalOf(stranger.action(api.pairing.approve, { code })), "NotFound")
  })

  it("a code is valid for 10 minutes, and the waiting worker is notified of its expiry", async () => {
    const operator = await deployment().operator()
    const { code, status, expiresAt } = await begin()
    assert.approximately(expiresAt - Date.now(), 600_000, 60_000)
    await passMinutes(10)
    await eventually(status, (pairing) => pairing.status === "expired")
    assert.strictEqual(await refusalOf(operator.action(api.pairing.approve, { code })), "Expired")
  })

  it("after ten wrong codes all codes of an operator are rejected for 10 minutes", async () => {
    const operator = await deployment().operator()
    const other = await deployment().operator()
    const approve = (code: string, who = operator) => refusalOf(who.action(api.pairing.approve, { code }))
    const { code } = await begin()
    const wrong = await Promise.all(Array.from({ length: 10 }, () => approve("0000-0000")))
    assert.deepStrictEqual(new Set(wrong), new Set(["NotFound"]))
    assert.deepStrictEqual([await approve("0000-0000"), await approve(code)], ["RateLimited", "RateLimited"])
    assert.strictEqual(await approve("0000-0000", other), "NotFound")
    await passMinutes(9)
    assert.strictEqual(await approve(code), "RateLimited")
    await passMinutes(1)
    assert.strictEqual(await approve("0000-0000"), "NotFound")
    assert.property(await approve((await begin()).code), "accepted")
  })

  it("reports how long to wait", async () => {
    const operator = await deployment().operator()
    const approve = () => operator.action(api.pairing.approve, { code: "0000-0000" })
    for (let count = 0; count < 10; count++) await refusalOf(approve())
    const refused: unknown = await approve().catch((error: unknown) => error)
    assert.deepInclude(refused, { data: { code: "RateLimited", message: "10 codes were wrong: try again in 10 min" } })
  })

  it("an over-long code is rejected", async () => {
    const operator = await deployment().operator()
    assert.strictEqual(
      await refusalOf(operator.action(api.pairing.approve, { code: "0".repeat(501) })),
      "InvalidArgument"
    )
  })
})

describe("workers", () => {
  it("are listed for their owner only, the newest first", async () => {
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

  it("are listed regardless of the number of revoked ones", async () => {
    const operator = await deployment().operator()
    const { workerId: oldest } = await pair(operator)
    const revoked: Array<typeof oldest> = []
    for (let count = 0; count < 100; count++) {
      const { workerId } = await pair(operator)
      await operator.mutation(api.workers.revoke, { workerId })
      revoked.push(workerId)
    }
    const { workerId: newest } = await pair(operator)
    const workers = await operator.query(api.workers.list, {})
    assert.deepStrictEqual(
      workers.map(({ workerId }) => workerId),
      [newest, oldest, ...revoked.toReversed().slice(0, 98)]
    )
  })

  it("a revoked worker is listed as revoked and offline; revoking is idempotent", async () => {
    const operator = await deployment().operator()
    const { workerId } = await enlist(operator)
    await operator.mutation(api.workers.revoke, { workerId })
    await operator.mutation(api.workers.revoke, { workerId })
    const [worker] = await operator.query(api.workers.list, {})
    assert.deepNestedInclude(worker, { approval: "revoked", online: false, phase: "revoked" })
  })
})

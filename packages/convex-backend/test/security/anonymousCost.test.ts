/** Attacks by callers without an identity: rows, scheduled functions and reads that they cause. */
import { afterEach, assert, describe, it } from "vitest"
import { api } from "../../src/api.ts"
import { eventually, refusalOf, sha256, useDeployment } from "../support/deployment.ts"
import { passTime, resetTime } from "../support/clock.ts"

const deployment = useDeployment()
afterEach(() => {
  resetTime()
  delete process.env["OPENCODE_WORKER_PAIRING"]
})

const names = { machine: "m", directory: "/d", permissions: "careful" }
const begin = (change: Partial<typeof names> = {}) =>
  deployment()
    .anonymous()
    .mutation(api.pairing.begin, { ...names, ...change, secretHash: sha256("s") })

/** Lets every pairing that waits expire: a deployment that starts runs what is due. */
const expire = async () => {
  passTime(11 * 60_000)
  await deployment().restart()
}

describe("anonymous callers", () => {
  it("send names of at most 100 bytes, without control characters", async () => {
    for (const field of ["machine", "directory", "permissions"] as const) {
      for (const name of [
        "x".repeat(101),
        "€".repeat(34),
        "a\u001b[2J",
        "a\nb",
        "a\u009b",
        "a\u202eb",
        "a\u007f",
        ""
      ]) {
        assert.strictEqual(await refusalOf(begin({ [field]: name })), "InvalidArgument", JSON.stringify(name))
      }
      assert.property(await refusalOf(begin({ [field]: "€".repeat(33) })), "accepted")
    }
  })

  it("cannot have a secret of any length hashed", async () => {
    const { pairingId } = await begin()
    const status = (secret: string) =>
      refusalOf(deployment().anonymous().query(api.pairing.status, { pairingId, secret }))
    assert.strictEqual(await status("s".repeat(201)), "NotFound")
    assert.property(await status("s"), "accepted")
  })

  it("are rejected while pairing is disabled", async () => {
    process.env["OPENCODE_WORKER_PAIRING"] = "off"
    assert.strictEqual(await refusalOf(begin()), "Disabled")
    delete process.env["OPENCODE_WORKER_PAIRING"]
    assert.property(await refusalOf(begin()), "accepted")
  })

  it("leave no rows: expired pairings are deleted after an hour", async () => {
    const { pairingId } = await begin()
    const status = () => refusalOf(deployment().anonymous().query(api.pairing.status, { pairingId, secret: "s" }))
    await expire()
    await eventually(status, (answer) => JSON.stringify(answer).includes("expired"))
    passTime(60 * 60_000)
    const last = await eventually(
      async () => {
        await begin()
        await expire()
        return status()
      },
      (answer) => answer === "NotFound"
    )
    assert.strictEqual(last, "NotFound")
  })

  it("cannot fill the table of pairings, or make codes expire early", { timeout: 120_000 }, async () => {
    const operator = await deployment().operator()
    const first = await begin()
    // `pnpm test:full` begins all of them. Otherwise the counter has most of them already.
    const others = process.env["TEST_FULL"] === undefined ? 950 : 0
    await deployment().replace("pendingPairings", (row) => [{ ...row, count: Number(row["count"]) + others }])
    const answers: Array<unknown> = []
    while (answers.length < 1_050 - others) {
      answers.push(...(await Promise.all(Array.from({ length: 50 }, () => refusalOf(begin())))))
    }
    assert.isAtLeast(answers.filter((answer) => answer === "RateLimited").length, 51)
    const status = async () =>
      (await operator.query(api.pairing.status, { pairingId: first.pairingId, secret: "s" })).status
    passTime(9 * 60_000)
    assert.strictEqual(await refusalOf(begin()), "RateLimited")
    assert.strictEqual(await status(), "pending")
    // An approved code makes room for one more.
    await operator.action(api.pairing.approve, { code: first.code })
    assert.strictEqual(await status(), "approved")
    assert.property(await refusalOf(begin()), "accepted")
    assert.strictEqual(await refusalOf(begin()), "RateLimited")

    // Their time is over: there is room again.
    passTime(2 * 60_000)
    await deployment().restart()
    await eventually(
      () => refusalOf(begin()),
      (answer) => answer !== "RateLimited"
    )
  })
})

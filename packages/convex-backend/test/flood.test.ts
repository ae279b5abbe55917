import { assert, it, onTestFinished } from "vitest"
import { api } from "../src/api.ts"
import { refusalOf, sha256, useDeployment } from "./support/deployment.ts"
import { passTime, resetTime } from "./support/clock.ts"

const deployment = useDeployment()

it("strangers cannot fill the table of pairings, nor keep others from it for long", async () => {
  const client = deployment().nobody()
  const begin = () =>
    refusalOf(client.mutation(api.pairing.begin, { machine: "m", directory: "/d", secretHash: sha256("s") }))
  const first = await client.mutation(api.pairing.begin, { machine: "m", directory: "/d", secretHash: sha256("s") })
  const answers = await Promise.all(Array.from({ length: 204 }, begin))
  assert.strictEqual(answers.filter((answer) => answer === "RateLimited").length, 5)

  // A minute later who waited longest gives way, and only they.
  passTime(60_000)
  onTestFinished(resetTime)
  const oldest = { pairingId: first.pairingId, secret: "s" }
  assert.strictEqual((await client.query(api.pairing.status, oldest)).status, "pending")
  assert.property(await begin(), "accepted")
  assert.strictEqual((await client.query(api.pairing.status, oldest)).status, "expired")
})

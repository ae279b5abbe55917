import { assert, it } from "vitest"
import { api } from "../src/api.ts"
import { refusalOf, sha256, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

it("strangers cannot fill the table of pairings", async () => {
  const client = deployment().nobody()
  const begin = () =>
    refusalOf(client.mutation(api.pairing.begin, { machine: "m", directory: "/d", secretHash: sha256("s") }))
  const answers = await Promise.all(Array.from({ length: 205 }, begin))
  assert.strictEqual(answers.filter((answer) => answer === "RateLimited").length, 5)
})

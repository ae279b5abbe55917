import { assert, describe, it } from "vitest"
import { api } from "./fixtures/convex/_generated/api.js"
import { connect, connectHttp, deploy } from "./deployment.ts"

describe("functions", () => {
  it("queries, mutations and actions answer over the socket and over HTTP", async () => {
    const deployment = await deploy()
    for (const [channel, client] of [
      ["socket", connect(deployment)],
      ["http", connectHttp(deployment)]
    ] as const) {
      const id = await client.mutation(api.messages.send, { author: "ann", channel, text: "hello" })
      const [message] = await client.query(api.messages.list, { channel })
      assert.equal(message?._id, id)
      assert.equal(message?.text, "hello")
      assert.equal(await client.action(api.messages.throughAction, { channel, text: "more" }), 2)
      assert.equal(await client.query(api.folder.deep.default, {}), "deep default")
    }
  })
})

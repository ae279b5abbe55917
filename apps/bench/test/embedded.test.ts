import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe.skipIf(process.env["TEST_FULL"] === undefined)("bench embedded", () => {
  it("measures each operation next to convex-test", { timeout: 120_000 }, async () => {
    const args = ["--expose-gc", "--conditions=@opencode-worker/source", main, "embedded", "--quick", "--json"]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const [, ...lines] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    const ops = [
      "get",
      "getBySocket",
      "page50",
      "mutation",
      "mutation",
      "concurrent",
      "bulk",
      "rungs",
      "behindQuery",
      "subscription",
      "fanout",
      "different"
    ]
    assert.deepEqual(
      lines.map(({ documents, op }) => `${documents} ${op}`),
      ops.map((op) => `300 ${op}`)
    )
    for (const { op, p50Ms, p99Ms, peer, perSecond, rssBytes } of lines) {
      for (const figure of [p50Ms, p99Ms, perSecond, rssBytes]) assert.isAbove(figure, 0, op)
      assert.strictEqual(peer.name, "convex-test")
      assert.strictEqual(
        peer.p50Ms === null,
        ["rungs", "behindQuery", "subscription", "fanout", "different"].includes(op)
      )
    }
  })
})

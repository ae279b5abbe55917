import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { table } from "../src/report.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))
const bench = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, ["--expose-gc", "--conditions=@opencode-worker/source", main, ...args])

const isFull = process.env["TEST_FULL"] !== undefined

describe("bench pool", () => {
  it.runIf(isFull)("keeps the bound, without overlap, with one open per key", { timeout: 120_000 }, async () => {
    const { stdout } = await bench("pool", "--quick", "--json")
    const [first, distinct, contended, resident] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.sameMembers(Object.keys(first.machine), ["cores", "memoryBytes", "node", "opencode", "commit", "quick"])
    assert.isTrue(first.machine.quick)
    assert.deepInclude(distinct, {
      bench: "pool",
      case: "distinct",
      capacity: 50,
      maxResident: 50,
      overlaps: 0,
      opens: 1000,
      evictions: 950
    })
    assert.isBelow(distinct.heapGrowthBytes, 5_000_000)
    assert.deepInclude(contended, { bench: "pool", case: "contended", capacity: 20, maxResident: 20, overlaps: 0 })
    assert.isAtMost(contended.opens, contended.uses)
    assert.strictEqual(contended.opens - contended.evictions, 20)
    assert.isBelow(contended.heapGrowthBytes, 5_000_000)
    assert.deepInclude(resident, {
      bench: "pool",
      case: "resident",
      maxResident: 50,
      overlaps: 0,
      opens: 50,
      evictions: 0
    })
    assert.isBelow(resident.heapGrowthBytes, 5_000_000)
    for (const { peer, usesPerSecond } of [distinct, contended, resident]) {
      assert.deepInclude(peer, { name: "lru-cache + p-queue", overlaps: 0 })
      assert.isAbove(peer.usesPerSecond, 0)
      assert.isAbove(usesPerSecond, 0)
    }
  })

  it("prints a table: a column per line, a row per field", () => {
    const lines = [
      { case: "distinct", uses: 1000, peer: { p50Ms: 0.25 } },
      { case: "resident", uses: 50 }
    ]
    assert.strictEqual(
      table(lines),
      ["case        distinct  resident", "uses           1,000        50", "peer.p50Ms       0.3"].join("\n")
    )
  })

  it("prints the names of the benchmarks", async () => {
    const error: unknown = await bench("nothing").catch((failure: unknown) => failure)
    assert.deepInclude(error, {
      code: 64,
      stderr:
        "usage: pnpm bench <bill | command | console | dev | embedded | imports | models | pool | startup | stream | sync> [--quick] [--json]\n" +
        "       pnpm bench console --lighthouse [--quick] [--json]\n"
    })
  })
})

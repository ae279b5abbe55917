import { assert, describe, it } from "@effect/vitest"
import { imports } from "../src/imports.ts"
import type { Line } from "../src/report.ts"

/** Each package asserts the size of its bundle; this is about the benchmark alone. */
describe.skipIf(process.env["TEST_FULL"] === undefined)("bench imports", () => {
  // The ratios depend on the load of the machine; the sizes do not.
  it("measures every public entry next to effect/Effect and the peers", { timeout: 300_000 }, async () => {
    const lines = new Map<unknown, Line>()
    for await (const line of imports(true)) lines.set(line["entry"], line)
    const peers = ["effect/Effect", "p-queue + lru-cache", "@opencode-ai/sdk", "convex/browser + effect/Effect"]
    for (const entry of peers) assert.isTrue(lines.has(entry))
    for (const entry of ["session-pool", "session-pool/async", "model-cache", "model-cache/async"]) {
      const line = lines.get(`@opencode-worker/${entry}`)
      assert.isBelow(Number(line?.["minifiedBytes"]), 120_000)
      assert.isAbove(Number(line?.["ratioToEffect"]), 0)
    }
    assert.isBelow(Number(lines.get("@opencode-worker/worker-fsm/machine")?.["minifiedBytes"]), 120_000)
  })
})

import { assert, it } from "vitest"
import { dev } from "../src/dev.ts"
import type { Line } from "../src/report.ts"

it.skipIf(process.env["TEST_FULL"] === undefined)(
  "bench dev answers a prompt next to opencode run",
  { timeout: 400_000 },
  async () => {
    const lines: Array<Line> = []
    for await (const line of dev(true)) lines.push(line)
    const [line] = lines
    assert.deepInclude(line?.["peer"], { name: "opencode run" })
    for (const field of ["firstTextMs", "wholeMs", "ratio", "servedRatio"])
      assert.isAbove(Number(line?.[field]), 0, field)
  }
)

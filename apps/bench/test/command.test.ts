import { assert, it } from "vitest"
import { command } from "../src/command.ts"
import type { Line } from "../src/report.ts"

it.skipIf(process.env["TEST_FULL"] === undefined)(
  "bench command runs each case next to Node.js",
  { timeout: 120_000 },
  async () => {
    const lines: Array<Line> = []
    for await (const line of command(true)) lines.push(line)
    assert.deepEqual(
      lines.map((line) => line["case"]),
      ["--version", "--help", "sessions --help", "sessions ls"]
    )
    for (const { p50Ms, peer, ratio } of lines) {
      for (const figure of [p50Ms, ratio]) assert.isAbove(Number(figure), 0)
      assert.deepInclude(peer, { name: "node -e ''" })
    }
  }
)

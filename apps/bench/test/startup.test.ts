import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe.skipIf(process.env["TEST_FULL"] === undefined)("bench startup", () => {
  it("restores no session and fetches the models once, with any number of sessions", { timeout: 400_000 }, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--conditions=@opencode-worker/source",
      main,
      "startup",
      "--quick",
      "--json"
    ])
    const [, ...lines] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ sessions }) => sessions),
      [255]
    )
    for (const line of lines) {
      assert.deepInclude(line, { bench: "startup", opencodeSessions: 50, restored: 0, modelFetches: 1 })
      for (const field of ["readyMs", "floorToNode", "opencodeBootMs", "rssBytes", "heapBytes"])
        assert.isAbove(line[field], 0, field)
    }
  })
})

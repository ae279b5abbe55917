import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("bench sync", () => {
  it(
    "tells each change once: a row each and one for the watermark, in batches of 100",
    { timeout: 180_000 },
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        "--conditions=@opencode-worker/source",
        main,
        "sync",
        "--quick",
        "--json"
      ])
      const [, ...lines] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
      const same = { bench: "sync", sessions: 120, opencodeRequests: 1 }
      assert.deepEqual(
        lines.map(({ ms, ...counts }) => ms > 0 && counts),
        [
          { ...same, changes: 120, rowsWritten: 121, mutations: 2 },
          { ...same, changes: 0, rowsWritten: 0, mutations: 0 },
          { ...same, changes: 3, rowsWritten: 4, mutations: 1 },
          { ...same, changes: 100, rowsWritten: 101, mutations: 1 }
        ]
      )
    }
  )
})

import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe.skipIf(process.env["TEST_FULL"] === undefined)("bench sync", () => {
  it(
    "syncs each change once: a row per change and one for the watermark, in batches of 100, also in a new process",
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
          { ...same, case: "first", changes: 120, rowsWritten: 121, mutations: 2, queries: 0 },
          { ...same, case: "changes", changes: 0, rowsWritten: 0, mutations: 0, queries: 0 },
          { ...same, case: "changes", changes: 3, rowsWritten: 4, mutations: 1, queries: 0 },
          { ...same, case: "changes", changes: 100, rowsWritten: 101, mutations: 1, queries: 0 },
          { ...same, case: "restart", changes: 0, rowsWritten: 0, mutations: 0, queries: 1 },
          { ...same, case: "restart", changes: 3, rowsWritten: 3, mutations: 1, queries: 1 }
        ]
      )
    }
  )
})

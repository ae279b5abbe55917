/** `docs/security.md` names a test for each protection. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../../../..")
const folders: Readonly<Record<string, string>> = {
  embedded: "packages/convex-embedded/test",
  backend: "packages/convex-backend/test",
  sync: "packages/convex-sync/test",
  host: "packages/opencode-host/test",
  worker: "apps/worker/test",
  console: "apps/console/test"
}

describe("docs/security.md", () => {
  it("names a test in each row, and the tests exist", () => {
    const rows = readFileSync(join(root, "docs/security.md"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("| ") && !/^\| (-+|threat) /.test(line))
    assert.isAbove(rows.length, 40)
    for (const row of rows) {
      // Tests that share a host are in modules of their own.
      const tests = [...row.matchAll(/(\w+)\/([\w/-]+(?:\.test)?\.ts)/g)]
      assert.isAbove(tests.length, 0, row)
      for (const [name, folder = "", file = ""] of tests) {
        assert.isTrue(existsSync(join(root, folders[folder] ?? "unknown", file)), `${name} in: ${row}`)
      }
    }
  })
})

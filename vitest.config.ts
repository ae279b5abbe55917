import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const conditions = ["@opencode-worker/source"]

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const isPinned = existsSync(pathOf("packages/harness/node_modules/opencode-linux-x64"))
/** A start of OpenCode takes a third less CPU time: docs/decisions/054-tests-start-a-cheaper-opencode.md. */
const OPENCODE_BIN = process.env["OPENCODE_BIN"] ?? (isPinned ? pathOf("scripts/opencode-for-tests") : undefined)

const runsManyModules = ({ moduleId }: TestSpecification) => moduleId.includes("/test/world/")

/** Otherwise the largest files start first. A file that runs the tests of many modules is small, but takes the longest. */
class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>) {
    const [first, rest] = [files.filter(runsManyModules), files.filter((file) => !runsManyModules(file))]
    // oxlint-disable-next-line unicorn/no-array-sort -- not that of an array
    return [...first, ...(await super.sort(rest))]
  }
}

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Detects a test that never ends. Two busy cores run a test of seconds for a minute.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    env: {
      // For homes of the testkit: a start of OpenCode takes a quarter less CPU time without its garbage collector.
      BUN_JSC_useGC: "0",
      // For all programs that tests start.
      NODE_COMPILE_CACHE: pathOf("node_modules/.cache/compile"),
      ...(OPENCODE_BIN !== undefined && { OPENCODE_BIN })
    },
    coverage: {
      provider: "v8",
      // Not the functions of convex-backend: they run in threads of the deployment, which the provider does not see.
      include: ["{packages,apps}/*/src/**"],
      exclude: ["**/main.ts"],
      reporter: ["text", "lcov"]
    }
  }
})

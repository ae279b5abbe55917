import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const conditions = ["@opencode-worker/source"]

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const isPinned = existsSync(pathOf("packages/harness/node_modules/opencode-linux-x64"))
/** A start of OpenCode takes a third less CPU time: docs/decisions/054-tests-start-a-cheaper-opencode.md. */
const OPENCODE_BIN = process.env["OPENCODE_BIN"] ?? (isPinned ? pathOf("scripts/opencode-for-tests") : undefined)

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    isolate: false,
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
      include: ["{packages,apps}/*/src/**"],
      exclude: ["**/main.ts"],
      reporter: ["text", "lcov"]
    }
  }
})

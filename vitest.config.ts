import { defineConfig } from "vitest/config"

const conditions = ["@opencode-worker/source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    isolate: false,
    // Detects a test that never ends. Two busy cores run a test of seconds for a minute.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // For homes of the testkit: a start of OpenCode takes a quarter less CPU time without its garbage collector.
    env: { BUN_JSC_useGC: "0" },
    coverage: {
      provider: "v8",
      include: ["{packages,apps}/*/src/**"],
      exclude: ["**/main.ts"],
      reporter: ["text", "lcov"]
    }
  }
})

import { defineConfig } from "vitest/config"

const conditions = ["@opencode-worker/source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    isolate: false,
    // Many tests start processes, which take seconds on a machine with two busy cores.
    testTimeout: 30_000,
    coverage: {
      provider: "v8",
      include: ["{packages,apps}/*/src/**"],
      exclude: ["**/main.ts"],
      reporter: ["text", "lcov"]
    }
  }
})

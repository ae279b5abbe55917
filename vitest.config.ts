import { defineConfig } from "vitest/config"

const conditions = ["@opencode-worker/source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    isolate: false,
    coverage: {
      provider: "v8",
      include: ["{packages,apps}/*/src/**"],
      exclude: ["**/main.ts"],
      reporter: ["text", "lcov"]
    }
  }
})

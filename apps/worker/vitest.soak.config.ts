import { defineConfig } from "vitest/config"

const conditions = ["@opencode-worker/source"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: { include: ["test/**/*.soak.ts"], execArgv: ["--expose-gc"], fileParallelism: false }
})

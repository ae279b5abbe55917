import { defaultClientConditions, defineConfig } from "vite"
import { budget } from "./build/budget.ts"
import { serviceWorker } from "./build/serviceWorker.ts"

export default defineConfig({
  plugins: [budget({ script: 180_000, style: 15_000 }, []), serviceWorker("src/worker/sw.ts")],
  resolve: { conditions: ["@opencode-worker/source", ...defaultClientConditions] },
  build: {
    target: "es2023",
    // The content security policy of the page allows no inline script, style or data.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    license: { fileName: "THIRD-PARTY-NOTICES.md" }
  }
})

import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "tsup"

const backend = dirname(fileURLToPath(import.meta.resolve("@opencode-worker/convex-backend/package.json")))

// The command in one file, and beside it the functions that its embedded deployment serves: `functionsDir` of
// convex-backend is `../convex` from the file that it is bundled into.
export default defineConfig([
  {
    entry: { "bin/main": "src/main.ts" },
    format: "esm",
    target: "node22",
    platform: "node",
    sourcemap: true,
    clean: true,
    noExternal: [/.*/],
    external: ["esbuild"],
    // `node:sqlite` has no name without the prefix.
    removeNodeProtocol: false,
    banner: {
      js: '#!/usr/bin/env node\nimport { createRequire as __cr } from "node:module"; const require = __cr(import.meta.url);'
    }
  },
  {
    entry: [join(backend, "convex/*.ts")],
    outDir: "dist/convex",
    format: "esm",
    target: "es2022",
    platform: "browser",
    noExternal: [/.*/],
    esbuildOptions: (options) => {
      options.chunkNames = "_deps/[name]-[hash]"
    }
  }
])

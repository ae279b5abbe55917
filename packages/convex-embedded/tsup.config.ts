import { defineConfig } from "tsup"

export default defineConfig({
  // The thread's entry stays beside whatever chunk starts it.
  entry: {
    cli: "src/cli.ts",
    "convex-thread": "src/internal/threads/convex-thread.ts",
    effect: "src/effect.ts",
    index: "src/index.ts",
    "private-files": "src/PrivateFiles.ts"
  },
  format: "esm",
  sourcemap: true,
  clean: true,
  // `node:sqlite` has no name without the prefix, which tsup strips unless told.
  removeNodeProtocol: false
})

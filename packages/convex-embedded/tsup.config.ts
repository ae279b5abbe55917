import { defineConfig } from "tsup"

export default defineConfig({
  // The thread's entry is in the folder of the chunk that starts it.
  entry: {
    cli: "src/cli.ts",
    "convex-thread": "src/internal/threads/convex-thread.ts",
    effect: "src/effect.ts",
    holder: "src/Holder.ts",
    index: "src/index.ts",
    "private-files": "src/PrivateFiles.ts"
  },
  format: "esm",
  sourcemap: true,
  clean: true,
  // tsup strips the prefix by default, but `node:sqlite` has no name without it.
  removeNodeProtocol: false
})

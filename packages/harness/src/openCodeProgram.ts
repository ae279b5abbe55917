import { fileURLToPath } from "node:url"

/** The OpenCode binary of the package that this workspace pins. */
export const openCodeProgram = fileURLToPath(
  new URL("bin/opencode", import.meta.resolve(`opencode-${process.platform}-${process.arch}/package.json`))
)

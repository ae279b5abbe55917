import { fileURLToPath } from "node:url"

/** The OpenCode binary of the package that this workspace pins. */
export const pinnedOpenCode = fileURLToPath(
  new URL("bin/opencode", import.meta.resolve(`opencode-${process.platform}-${process.arch}/package.json`))
)

/** What starts OpenCode: that binary, or in tests `OPENCODE_BIN`, a script that becomes it. */
export const openCodeProgram =
  process.env["VITEST"] === undefined ? pinnedOpenCode : (process.env["OPENCODE_BIN"] ?? pinnedOpenCode)

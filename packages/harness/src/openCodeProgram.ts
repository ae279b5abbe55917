import { fileURLToPath } from "node:url"

const packaged = `opencode-${process.platform}-${process.arch}/package.json`

/** The OpenCode binary: `OPENCODE_BIN`, which tests set, otherwise that of the package that this workspace pins. */
export const openCodeProgram =
  process.env["OPENCODE_BIN"] ?? fileURLToPath(new URL("bin/opencode", import.meta.resolve(packaged)))

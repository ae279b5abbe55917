/**
 * The `opencode-worker` command. Its code is kept in compiled form from one start to the next, which then takes about half
 * the time: so this is switched on before anything else is loaded. Where the folder cannot be written, nothing is kept.
 *
 * @since 0.1.0
 */
import module from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

// Said here, because an older Node.js fails while it loads the rest, with words that help nobody.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`opencode-worker needs Node.js 22.19 or later; this is ${process.version}.`)
  process.exit(78)
}
module.enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "opencode-worker"))
await import("./program.ts")

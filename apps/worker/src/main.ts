/**
 * The `opencode-worker` command. Its code is kept in compiled form from one start to the next, which then takes about half
 * the time: so this is switched on before anything else is loaded. Where the folder cannot be written, nothing is kept.
 *
 * @since 0.1.0
 */
import { enableCompileCache } from "node:module"
import { homedir } from "node:os"
import { join } from "node:path"

enableCompileCache(join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "opencode-worker"))
await import("./program.ts")

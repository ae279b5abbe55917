/**
 * The `opencode-worker` command. Node.js caches its compiled code, which halves the time of the next start. The cache must be
 * enabled before other modules are loaded. If the folder is not writable, there is no cache.
 */
import module from "node:module"
import { homedir } from "node:os"
import { isAbsolute, join } from "node:path"

// Checked first: an older Node.js fails to load the other modules, with an error that does not name the cause.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 24 || (major === 24 && minor < 19)) {
  console.error(`opencode-worker needs Node.js 24.19 or later; this is ${process.version}.`)
  process.exit(78)
}

// A relative home counts as unset: it would put folders into the current directory.
if (!isAbsolute(process.env["HOME"] ?? "")) delete process.env["HOME"]

/** The user's cache folder; `null` without a home. An empty or relative XDG value counts as unset. */
const cacheFolder = (): string | null => {
  const given = process.env["XDG_CACHE_HOME"] ?? ""
  if (isAbsolute(given)) return given
  try {
    const home = homedir()
    return isAbsolute(home) ? join(home, ".cache") : null
  } catch {
    // The user has neither HOME nor an entry in the system's list of users.
    return null
  }
}
const cache = cacheFolder()
if (cache !== null) module.enableCompileCache(join(cache, "opencode-worker"))
if (process.argv.length === 3 && process.argv[2] === "--version") {
  // Needs nothing else of the program.
  const { packageVersion } = await import("./info/version.ts")
  process.stdout.once("error", ({ code }: NodeJS.ErrnoException) => {
    // A reader that leaves has read enough.
    if (code === "EPIPE") return
    console.error(`Standard output cannot be written: ${code}`)
    process.exitCode = 75
  })
  process.stdout.write(`opencode-worker v${packageVersion}\n`)
} else {
  const { main } = await import("./program.ts")
  await main()
}

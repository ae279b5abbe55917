/** Runs all checks of the built packages in two lanes. Each takes the next step, the longest first, so that both are busy until the end. */
import { spawn } from "node:child_process"
import { join } from "node:path"

process.env["NODE_COMPILE_CACHE"] = join(process.cwd(), "node_modules/.cache/compile")

const named = (name) => `@opencode-worker/${name}`
const longest = ["opencode-host", "convex-embedded", "convex-backend", "console", "chaos", "bench"].map(named)
/** Arguments for turbo. */
const steps = [
  ["test", "package", "--filter=opencode-worker"],
  ...longest.map((name) => ["test", "package", `--filter=${name}`]),
  ["//#typecheck", "//#lint:root"],
  ["test", "package", ...["opencode-worker", ...longest].map((name) => `--filter=!${name}`)]
]

const running = new Set()
let signal

const turbo = (args) =>
  new Promise((resolve) => {
    // One task per lane: the tests of a package keep two cores busy. A group of its own: turbo's launcher forwards no signals.
    const child = spawn("turbo", ["run", ...args, "--concurrency=1", "--output-logs=errors-only"], {
      detached: true,
      stdio: ["ignore", "inherit", "inherit"]
    })
    running.add(child)
    child.once("error", () => resolve(false))
    child.once("close", (code) => {
      running.delete(child)
      resolve(code === 0)
    })
  })

const lane = async () => {
  for (let args = steps.shift(); args !== undefined; args = steps.shift()) {
    if (signal !== undefined || !(await turbo(args))) return false
  }
  return true
}

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => {
    signal = name
    for (const child of running) process.kill(-child.pid, name)
  })
}

const passed = await Promise.all([lane(), lane()])
process.exitCode = passed.every(Boolean) ? 0 : 1

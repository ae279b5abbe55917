/** Runs all checks of the built packages in two lanes that are busy until the end: the longest tests start first. */
import { spawn } from "node:child_process"
import { join } from "node:path"

process.env["NODE_COMPILE_CACHE"] = join(process.cwd(), "node_modules/.cache/compile")

const longest = ["opencode-host", "convex-embedded", "convex-backend", "console"]
/** Each lane is a list of arguments for turbo, run one after the other. The second step of others finds the tests of the first in turbo's cache. */
const command = [["test", "package", "--filter=opencode-worker"]]
const others = [
  ["test", ...longest.map((name) => `--filter=@opencode-worker/${name}`)],
  ["//#typecheck", "//#lint:root", "test", "package", "--filter=!opencode-worker"]
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

const lane = async (steps) => {
  for (const args of steps) if (signal !== undefined || !(await turbo(args))) return false
  return true
}

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(name, () => {
    signal = name
    for (const child of running) process.kill(-child.pid, name)
  })
}

const passed = await Promise.all([lane(command), lane(others)])
process.exitCode = passed.every(Boolean) ? 0 : 1

/**
 * Builds the packages and runs their tests, in two lanes. Each takes the next step, the longest first, so that both cores are busy until the end.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"

process.env["NODE_COMPILE_CACHE"] = join(process.cwd(), "node_modules/.cache/compile")

const named = (name) => `@opencode-worker/${name}`
const [host, embedded, backend, browser, chaos] = [
  "opencode-host",
  "convex-embedded",
  "convex-backend",
  "console",
  "chaos"
].map(named)
const test = (...args) => ["test", ...args]
const only = (name) => test(`--filter=${name}`, "--concurrency=1")
const command = "opencode-worker"
/** Needs no build, and takes longer than it. */
const unbuilt = only(host)
/** Arguments for turbo. The small packages wait more than they compute, and the last step is the shortest. */
const steps = [
  only(command),
  only(embedded),
  test(...[command, host, embedded, backend, browser, chaos].map((name) => `--filter=!${name}`), "--concurrency=2"),
  only(backend),
  only(browser),
  only(chaos)
]

const running = new Set()
let signal

const turbo = (args) =>
  new Promise((resolve) => {
    // A group of its own: turbo's launcher forwards no signals.
    const child = spawn("turbo", ["run", ...args, "--output-logs=errors-only"], {
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

const built = turbo(["build"])

const lane = async () => {
  if (!(await built)) return false
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

const passed = await Promise.all([lane(), turbo(unbuilt).then((isPassed) => isPassed && lane())])
process.exitCode = passed.every(Boolean) ? 0 : 1

import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { residentBytes } from "@opencode-worker/harness"

const cwd = fileURLToPath(new URL("../..", import.meta.url))

/** The time of Node.js from spawn to its first output, and its memory with `effect` and the Convex client loaded. */
export const bareNode = async () => {
  const began = performance.now()
  const empty = spawn(process.execPath, ["-e", "console.log(1)"], { stdio: ["ignore", "pipe", "inherit"] })
  await once(empty.stdout, "data")
  const startMs = performance.now() - began
  await once(empty, "close")

  const load = 'await import("effect"); await import("convex/browser"); console.log(1); setInterval(() => {}, 1e6)'
  const args = ["--input-type=module", "-e", load]
  const loaded = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "inherit"] })
  await once(loaded.stdout, "data")
  const rssBytes = await residentBytes(loaded.pid ?? 0)
  loaded.kill("SIGKILL")
  await once(loaded, "close")
  return { startMs, rssBytes }
}

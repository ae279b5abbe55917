import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { residentBytes } from "@opencode-worker/harness"

const cwd = fileURLToPath(new URL("../..", import.meta.url))

const stays = "setInterval(() => {}, 1e6)"
const loads = `await import("effect"); await import("convex/browser"); console.log(1); ${stays}`
/** The deployment refuses the query of a client that has not signed in, which is an answer. */
const connects = `
  await import("effect/Effect")
  const { ConvexClient } = await import("convex/browser")
  await new ConvexClient(process.argv[1]).query("workers:list", {}).catch(() => undefined)
  console.log(1); ${stays}`

/** Runs a module until its first output. `ms` is the time from the spawn. */
const run = async (script: string, ...args: ReadonlyArray<string>) => {
  const began = performance.now()
  const all = ["--input-type=module", "-e", script, ...args]
  const child = spawn(process.execPath, all, { cwd, stdio: ["ignore", "pipe", "inherit"] })
  await once(child.stdout, "data")
  const ms = performance.now() - began
  const rssBytes = await residentBytes(child.pid ?? 0)
  child.kill("SIGKILL")
  await once(child, "close")
  return { ms, rssBytes }
}

/**
 * Node.js from spawn to its first output; its memory with `effect` and the Convex client loaded; and its time until the
 * deployment has answered the Convex client, with the least of Effect loaded.
 */
export const bareNode = async (url: string) => {
  const { ms: startMs } = await run(`console.log(1); ${stays}`)
  const { rssBytes } = await run(loads)
  const { ms: answerMs } = await run(connects, url)
  return { startMs, rssBytes, answerMs }
}

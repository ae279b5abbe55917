import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { openCodeProgram, residentBytes } from "@opencode-worker/harness"
import { build } from "esbuild"
import { freePort } from "./opencode.ts"

const cwd = fileURLToPath(new URL("../..", import.meta.url))

const stays = "setInterval(() => {}, 1e6)"
const loads = `await import("effect"); await import("convex/browser"); console.log(1); ${stays}`
/** The deployment refuses the query of a client that has not signed in, which is an answer. */
const connects = `
  await import("effect/Effect")
  const { ConvexClient } = await import("convex/browser")
  await new ConvexClient(process.argv[1]).query("workers:list", {}).catch(() => undefined)
  console.log(1); ${stays}`

const module = (script: string) => ["--input-type=module", "-e", script]

/** Runs Node.js until its first output. `ms` is the time from the spawn. */
const run = async (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = process.env) => {
  const began = performance.now()
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"] })
  const [output]: ReadonlyArray<unknown> = await once(child.stdout, "data")
  const ms = performance.now() - began
  const rssBytes = await residentBytes(child.pid ?? 0)
  child.kill("SIGKILL")
  await once(child, "close")
  return { ms, rssBytes, output: String(output) }
}

interface Home {
  readonly root: string
  readonly environment: Readonly<Record<string, string>>
}

/** Bundles `startFloor.ts` as the worker is bundled, and fills its compile cache. */
export const startFloor = async ({ environment, root }: Home, deployment: string) => {
  const outfile = join(root, "startFloor.mjs")
  await build({
    entryPoints: [join(import.meta.dirname, "startFloor.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    // The build for Node.js contains `ws`, for versions without WebSockets.
    alias: {
      "convex/browser": fileURLToPath(new URL("index.js", import.meta.resolve("convex/browser")))
    },
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' }
  })
  const env = { ...environment, NODE_COMPILE_CACHE: join(root, "compile-cache") }
  const started = async () => {
    const { ms, output } = await run([outfile, openCodeProgram, String(await freePort()), deployment], env)
    process.kill(Number(output), "SIGKILL")
    return ms
  }
  await started()
  return started
}

/**
 * Node.js from spawn to its first output; its memory with `effect` and the Convex client loaded; and its time until the
 * deployment has answered the Convex client, with the least of Effect loaded.
 */
export const bareNode = async (url: string) => {
  const { ms: startMs } = await run(module(`console.log(1); ${stays}`))
  const { rssBytes } = await run(module(loads))
  const { ms: answerMs } = await run([...module(connects), url])
  return { startMs, rssBytes, answerMs }
}

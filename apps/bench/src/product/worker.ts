/** The `opencode-worker` command as users run it: the built program, in a process of its own. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { WebSocket } from "ws"

const program = fileURLToPath(new URL("../../../worker/dist/bin/main.js", import.meta.url))

export interface WorkerOptions {
  /** Of the deployment. */
  readonly url: string
  readonly directory: string
  /** Where it keeps its identity. */
  readonly data: string
  readonly environment: Readonly<Record<string, string>>
  readonly flags?: ReadonlyArray<string>
}

/** What is said later than this is never said. Milliseconds. */
const LIMIT = 60_000

/** Runs `opencode-worker start` until it is disposed of. */
export const startWorker = ({ data, directory, environment, flags = [], url }: WorkerOptions) => {
  if (!existsSync(program)) throw new Error(`There is no ${program}: build it with pnpm build`)
  const args = [
    "start",
    "--url",
    url,
    "--directory",
    directory,
    "--data",
    data,
    "--permissions",
    "inherit",
    "--print-pairing-code",
    ...flags
  ]
  const began = performance.now()
  // The inspector is opened by a signal, on a free port, so that it costs nothing before it is asked.
  const child = spawn(process.execPath, ["--inspect-port=0", program, ...args], {
    env: { ...environment },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const pid = child.pid ?? -1
  const output: Array<{ readonly line: string; readonly at: number }> = []
  const heard = new EventTarget()
  const tell = (line: string) => {
    output.push({ line, at: performance.now() - began })
    heard.dispatchEvent(new Event("line"))
  }
  createInterface({ input: child.stdout }).on("line", tell)
  createInterface({ input: child.stderr }).on("line", tell)
  const end = () => child.kill("SIGKILL")
  process.once("exit", end)
  const ended = once(child, "close").then(() => tell("(ended)"))

  /** The first line that matches, and when it came, in milliseconds since the start of the process. */
  const says = async (pattern: RegExp) => {
    const signal = AbortSignal.timeout(LIMIT)
    for (;;) {
      const found = output.find(({ line }) => pattern.test(line))
      if (found !== undefined) return { at: found.at, match: pattern.exec(found.line)?.[1] ?? "" }
      const over = child.exitCode !== null || signal.aborted
      if (over) throw new Error(`The worker did not say ${pattern}: ${output.map(({ line }) => line).join("\n")}`)
      await once(heard, "line", { signal }).catch(() => undefined)
    }
  }

  const proc = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8")
  return {
    says,
    rssBytes: async () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(await proc("status"))?.[1]),
    /** Processor time of the process so far, without that of OpenCode. */
    cpuSeconds: async () => {
      const fields = (await proc("stat")).split(") ")[1]?.split(" ") ?? []
      return (Number(fields[11]) + Number(fields[12])) / TICKS
    },
    /** JavaScript objects that are alive, after a collection. */
    heapBytes: async () => {
      child.kill("SIGUSR1")
      return heapOf((await says(/(ws:\S+)/)).match)
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM")
      await ended
      process.off("exit", end)
    }
  }
}

/** Of a second: what Linux counts processor time in. */
const TICKS = 100

const heapOf = async (inspector: string): Promise<number> => {
  const socket = new WebSocket(inspector)
  await once(socket, "open")
  socket.send(JSON.stringify({ id: 1, method: "HeapProfiler.collectGarbage" }))
  socket.send(JSON.stringify({ id: 2, method: "Runtime.getHeapUsage" }))
  const bytes = await new Promise<number>((resolve) => {
    socket.on("message", (data: Buffer) => {
      const used = /"id":2,.*"usedSize":(\d+)/.exec(data.toString("utf8"))?.[1]
      if (used !== undefined) resolve(Number(used))
    })
  })
  socket.close()
  return bytes
}

/**
 * The time of the built command from its start to its end, next to Node.js with an empty program in the same round.
 * `sessions ls` signs in to a deployment in another process, and lists its sessions.
 */
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { startDeployment, workerProgram } from "@opencode-worker/harness"
import type { Line } from "./report.ts"
import { median, round } from "./statistics.ts"

interface Cost {
  readonly wallMs: number
  /** Processor time, which the load of the machine changes less. In steps of the system's clock, often 10 ms. */
  readonly cpuMs: number
}

/** Prints the processor time of the command after its output. */
const measured = '"$@" && times'

/** The last line of `times`: `0m0.12s 0m0.03s`, user and system. */
const cpuMillis = (output: string): number =>
  [...(output.trim().split("\n").at(-1) ?? "").matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => (Number(minutes) * 60 + Number(seconds)) * 1000)
    .reduce((sum, each) => sum + each, 0)

const mean = (costs: ReadonlyArray<Cost>) => costs.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / costs.length

const cases = [["--version"], ["--help"], ["sessions", "--help"], ["sessions", "ls"]] as const

export async function* command(quick: boolean): AsyncGenerator<Line> {
  const rounds = quick ? 2 : 30
  const root = await mkdtemp(join(tmpdir(), "bench-command-"))
  await using cleanup = new AsyncDisposableStack()
  cleanup.defer(() => rm(root, { recursive: true, force: true }))
  const { token, url } = cleanup.use(await startDeployment(join(root, "deployment")))
  const env = { HOME: root, OPENCODE_WORKER_URL: url, OPENCODE_WORKER_TOKEN: "", PATH: process.env["PATH"] ?? "" }
  const run = async (args: ReadonlyArray<string>): Promise<Cost> => {
    const startedAt = performance.now()
    const { stdout } = await promisify(execFile)("sh", ["-c", measured, "sh", process.execPath, ...args], {
      cwd: root,
      env
    })
    return { wallMs: performance.now() - startedAt, cpuMs: cpuMillis(stdout) }
  }
  const costs = cases.map(() => ({ node: Array<Cost>(), own: Array<Cost>() }))
  // The first round writes the compile cache.
  for (let i = 0; i <= rounds; i++) {
    env.OPENCODE_WORKER_TOKEN = await token()
    for (const [at, words] of cases.entries()) {
      const node = await run(["-e", ""])
      const own = await run([workerProgram, ...words])
      if (i === 0) continue
      costs[at]?.node.push(node)
      costs[at]?.own.push(own)
    }
  }
  for (const [at, words] of cases.entries()) {
    const { node = [], own = [] } = costs[at] ?? {}
    const wall = own.map(({ wallMs }) => wallMs)
    const nodeWall = node.map(({ wallMs }) => wallMs)
    yield {
      bench: "command",
      case: words.join(" "),
      rounds,
      p50Ms: round(median(wall)),
      // Of two runs in sequence, so that a slow round does not count.
      addedMs: round(median(wall.map((each, i) => each - (nodeWall[i] ?? NaN)))),
      minAddedMs: round(Math.min(...wall) - Math.min(...nodeWall)),
      addedCpuMs: round(mean(own) - mean(node)),
      ratio: Math.round(median(wall.map((each, i) => each / (nodeWall[i] ?? NaN))) * 100) / 100,
      peer: { name: "node -e ''", p50Ms: round(median(nodeWall)), cpuMs: round(mean(node)) }
    }
  }
}

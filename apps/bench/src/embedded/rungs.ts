/** One awaited mutation, from a row behind a WebSocket to the deployment, step by step (see `ladder.ts`). */
import { percentile } from "../statistics.ts"
import { type Contender, embedded, startRaw, startRung, subjectOf, type Used } from "./contenders.ts"
import type { Deployed } from "./deployment.ts"

const RUNGS = ["client", "thread", "function", "commit"]

/** The processor time of this process, which runs the clients, so far. */
const ownCpuMs = () => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

const rounded = (value: number) => Math.round(1000 * value) / 1000

/** In each round every rung has one mutation, in an order that moves. Returns the times of the deployment, and figures of each rung. */
export const climb = async (deployed: Deployed, documents: number, rounds: number) => {
  await using stack = new AsyncDisposableStack()
  const rungs = new Map<string, Contender & Used>([["row", stack.use(await startRaw())]])
  for (const rung of RUNGS) rungs.set(rung, stack.use(await startRung(rung, documents)))
  const cpuMs = async () => (await deployed.usage()).cpuMs
  rungs.set("deployment", { ...embedded(subjectOf(deployed)), cpuMs })

  const each = Array.from(rungs, ([name, rung]) => ({ clientMs: 0, name, rung, serverMs: 0, times: Array<number>() }))
  // The first ones are not counted.
  const warm = Math.ceil(rounds / 4)
  for (let round = 0; round < warm + rounds; round++) {
    if (round === warm) for (const one of each) one.serverMs = -(await one.rung.cpuMs())
    for (let i = 0; i < each.length; i++) {
      const one = each[(i + round) % each.length]!
      const before = ownCpuMs()
      const limit = { millis: Infinity, runs: 1 }
      const [time = NaN] = await one.rung.measure({ documents, from: documents + round, limit, op: "mutation" })
      if (round < warm) continue
      one.clientMs += ownCpuMs() - before
      one.times.push(time)
    }
  }
  const figures: Record<string, Record<string, number>> = {}
  const [row, deployment] = [each[0]!.times, each.at(-1)!.times]
  for (const { clientMs, name, rung, serverMs, times } of each) {
    const ratios = times.map((time, round) => time / row[round]!)
    figures[name] = {
      p50Ms: rounded(percentile(times, 0.5)),
      ratio: rounded(percentile(ratios, 0.5)),
      ratioFirstQuartile: rounded(percentile(ratios, 0.25)),
      ratioThirdQuartile: rounded(percentile(ratios, 0.75)),
      serverCpuMs: rounded((serverMs + (await rung.cpuMs())) / rounds),
      clientCpuMs: rounded(clientMs / rounds)
    }
  }
  return { figures, times: deployment }
}

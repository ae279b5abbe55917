/**
 * 20,000 keys through a pool of 50, 90 keys that compete for 20 places, and 50 keys in a pool of 50, each next to the same
 * work with `lru-cache` and `p-queue`, and next to Effect's `RcMap` and `ScopedCache` where they can do the work. Opening,
 * use and closing take one turn of the event loop each, so the pooling dominates the time.
 */
import { type Case, cases, makeWorld } from "./pool/cases.ts"
import {
  boundedRcMap,
  byHand,
  type Contender,
  type Cost,
  heapGrowth,
  rcMap,
  scopedCache,
  sessionPool,
  unpooled
} from "./pool/contenders.ts"
import type { Line } from "./report.ts"
import { median, round } from "./statistics.ts"

interface Runs {
  readonly name: string
  readonly run: Contender
  readonly costs: Array<Cost>
  counts: { readonly maxResident: number; readonly overlaps: number; readonly opens: number }
  evictions: number
}

const runsOf = (name: string, run: Contender): Runs => ({
  name,
  run,
  costs: [],
  counts: { maxResident: 0, overlaps: 0, opens: 0 },
  evictions: 0
})

/** `RcMap` fails at its capacity and `ScopedCache` closes resources in use: neither can do the contended case. */
const peersOf = (each: Case): Readonly<Record<string, Runs>> => ({
  peer: runsOf("lru-cache + p-queue", byHand),
  ...(each.case !== "resident" && { unpooled: runsOf("Semaphore and scope, without a pool", unpooled) }),
  ...(each.case === "distinct" && { boundedRcMap: runsOf("RcMap + Semaphore", boundedRcMap) }),
  ...(each.case === "contended"
    ? {}
    : { rcMap: runsOf("RcMap", rcMap), scopedCache: runsOf("ScopedCache", scopedCache) })
})

const runOnce = async (runs: Runs, each: Case) => {
  const world = makeWorld()
  const { cost, evictions } = await runs.run(each, world)
  runs.costs.push(cost)
  runs.counts = {
    maxResident: Math.max(runs.counts.maxResident, world.counts.maxResident),
    overlaps: runs.counts.overlaps + world.counts.overlaps,
    opens: world.counts.opens
  }
  runs.evictions = evictions
}

const middle = ({ costs }: Runs) => ({
  usesPerSecond: Math.round(median(costs.map(({ usesPerSecond }) => usesPerSecond))),
  cpuMicrosPerUse: round(median(costs.map(({ cpuMicrosPerUse }) => cpuMicrosPerUse)))
})

/** Uses per second of the pool ÷ those of a peer, of runs in the same round. Above 1 the pool is faster. */
const ratio = (own: Runs, peer: Runs, field: keyof Cost) => {
  const ratios = own.costs.map((cost, i) => cost[field] / (peer.costs[i]?.[field] ?? NaN))
  return Math.round(median(ratios) * 100) / 100
}

export async function* pool(quick: boolean): AsyncGenerator<Line> {
  const rounds = quick ? 1 : 9
  for (const each of cases(quick)) {
    const own = runsOf("session-pool", sessionPool)
    const peers = peersOf(each)
    // The first round of each compiles its code, and is not counted.
    for (let i = 0; i <= rounds; i++) {
      for (const runs of [own, ...Object.values(peers)]) await runOnce(runs, each)
      if (i === 0) for (const runs of [own, ...Object.values(peers)]) runs.costs.length = 0
    }
    yield {
      bench: "pool",
      ...each,
      rounds,
      ...own.counts,
      evictions: own.evictions,
      heapGrowthBytes: await heapGrowth(each, makeWorld()),
      ...middle(own),
      ...Object.fromEntries(
        Object.entries(peers).map(([key, runs]) => [
          key,
          {
            name: runs.name,
            ...runs.counts,
            ...middle(runs),
            ratio: ratio(own, runs, "usesPerSecond"),
            cpuRatio: ratio(own, runs, "cpuMicrosPerUse")
          }
        ])
      )
    }
  }
}

/**
 * 20,000 keys through a pool of 50, 90 keys that compete for 20 places, and 50 keys in a pool of 50, each next to the same
 * work with `lru-cache` and `p-queue`. Opening, use and closing take one turn of the event loop each, so the pooling
 * dominates the time.
 */
import { setImmediate as turn } from "node:timers/promises"
import { SessionPool } from "@opencode-worker/session-pool"
import { Effect } from "effect"
import { LRUCache } from "lru-cache"
import PQueue from "p-queue"
import type { Line } from "./report.ts"

interface Case {
  readonly case: string
  readonly keys: number
  readonly uses: number
  readonly concurrency: number
  readonly capacity: number
}

const cases = (quick: boolean): ReadonlyArray<Case> => {
  const distinct = quick ? 1000 : 20_000
  return [
    { case: "distinct", keys: distinct, uses: distinct, concurrency: 200, capacity: 50 },
    { case: "contended", keys: 90, uses: quick ? 900 : 9000, concurrency: 500, capacity: 20 },
    { case: "resident", keys: 50, uses: quick ? 2000 : 50_000, concurrency: 50, capacity: 50 }
  ]
}

/** 8 kB: large enough that a leaked resource shows in the heap. */
const payload = () => Array<number>(1000).fill(0)

/** The resources, with counts of opens, uses and closes. */
const makeWorld = () => {
  const inUse = new Set<string>()
  const counts = { resident: 0, maxResident: 0, opens: 0, overlaps: 0 }
  return {
    counts,
    open: async (key: string) => {
      counts.opens++
      counts.maxResident = Math.max(counts.maxResident, ++counts.resident)
      await turn()
      return { key, payload: payload() }
    },
    use: async ({ key }: { readonly key: string }) => {
      if (inUse.has(key)) counts.overlaps++
      inUse.add(key)
      await turn()
      inUse.delete(key)
    },
    close: async () => {
      await turn()
      counts.resident--
    }
  }
}
type World = ReturnType<typeof makeWorld>

/** Bytes in use after a collection. Requires `--expose-gc`. */
const heap = () => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** Each key in turn. Contended keys follow a multiplicative hash, which is the same in each run. */
const keyOf = (use: number, { capacity, keys, uses }: Case) =>
  `session-${keys === uses || keys === capacity ? use % keys : (Math.imul(use, 2_654_435_761) >>> 8) % keys}`

const perSecond = ({ uses }: Case, began: number) => (uses / (performance.now() - began)) * 1000

const ours = (each: Case, world: World) =>
  Effect.gen(function* () {
    const before = heap()
    const sessions = yield* SessionPool.make({
      capacity: each.capacity,
      open: (key: string) =>
        Effect.acquireRelease(
          Effect.promise(() => world.open(key)),
          () => Effect.promise(world.close)
        )
    })
    const began = performance.now()
    const use = (i: number) => sessions.use(keyOf(i, each), (resource) => Effect.promise(() => world.use(resource)))
    yield* Effect.forEach(Array(each.uses).keys(), use, { concurrency: each.concurrency, discard: true })
    const usesPerSecond = perSecond(each, began)
    const { evictions } = yield* sessions.stats
    return { usesPerSecond, evictions, heapGrowthBytes: heap() - before }
  }).pipe(Effect.scoped, Effect.runPromise)

type Resource = Awaited<ReturnType<World["open"]>>

/** One queue per key for the order, one queue for the places, and a cache for idle resources. */
const byHand = async (each: Case, world: World) => {
  const turns = new Map<string, PQueue>()
  const places = new PQueue({ concurrency: each.capacity })
  const idle = new LRUCache<string, Resource>({ max: each.capacity })
  let taken = 0

  const take = async (key: string) => {
    const resident = idle.get(key)
    if (resident !== undefined) {
      idle.delete(key)
      return resident
    }
    // This caller has no place, so not all places are in use. If all are taken, one is idle.
    if (taken === each.capacity) {
      idle.pop()
      await world.close()
    } else taken++
    return world.open(key)
  }

  const use = async (key: string) => {
    const queue = turns.get(key) ?? new PQueue({ concurrency: 1 })
    turns.set(key, queue)
    await queue.add(() =>
      places.add(async () => {
        const resource = await take(key)
        await world.use(resource)
        idle.set(key, resource)
      })
    )
    if (queue.size === 0 && queue.pending === 0) turns.delete(key)
  }

  const began = performance.now()
  let next = 0
  const caller = async () => {
    while (next < each.uses) await use(keyOf(next++, each))
  }
  await Promise.all(Array.from({ length: each.concurrency }, caller))
  return perSecond(each, began)
}

const median = (values: ReadonlyArray<number>) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const rounds = 3

export async function* pool(quick: boolean): AsyncGenerator<Line> {
  for (const each of cases(quick)) {
    const speeds: Array<number> = []
    const peerSpeeds: Array<number> = []
    let counts = makeWorld().counts
    let peerCounts = counts
    let last = { evictions: 0, heapGrowthBytes: 0 }
    for (let round = 0; round < rounds; round++) {
      const [world, peerWorld] = [makeWorld(), makeWorld()]
      const { usesPerSecond, ...rest } = await ours(each, world)
      speeds.push(usesPerSecond)
      peerSpeeds.push(await byHand(each, peerWorld))
      const { maxResident, overlaps } = counts
      counts = {
        ...world.counts,
        maxResident: Math.max(maxResident, world.counts.maxResident),
        overlaps: overlaps + world.counts.overlaps
      }
      peerCounts = peerWorld.counts
      last = rest
    }
    yield {
      bench: "pool",
      ...each,
      maxResident: counts.maxResident,
      overlaps: counts.overlaps,
      opens: counts.opens,
      ...last,
      usesPerSecond: Math.round(median(speeds)),
      peer: {
        name: "lru-cache + p-queue",
        usesPerSecond: Math.round(median(peerSpeeds)),
        maxResident: peerCounts.maxResident,
        overlaps: peerCounts.overlaps,
        opens: peerCounts.opens
      }
    }
  }
}

/** The pool, and the ways to do the same work, or the part of it that they can do, without the pool. */
import { SessionPool } from "@opencode-worker/session-pool"
import { Effect, identity, RcMap, ScopedCache, Semaphore } from "effect"
import { LRUCache } from "lru-cache"
import PQueue from "p-queue"
import { type Case, keyOf, type Resource, type World } from "./cases.ts"

export interface Cost {
  readonly usesPerSecond: number
  /** Processor time, which the load of the machine changes less. */
  readonly cpuMicrosPerUse: number
}

interface Outcome {
  readonly cost: Cost
  readonly evictions: number
}

export type Contender = (each: Case, world: World) => Promise<Outcome>

const measure = async ({ uses }: Case, run: () => Promise<unknown>): Promise<Cost> => {
  const [began, cpu] = [performance.now(), process.cpuUsage()]
  await run()
  const { system, user } = process.cpuUsage(cpu)
  return { usesPerSecond: (uses / (performance.now() - began)) * 1000, cpuMicrosPerUse: (user + system) / uses }
}

/** Bytes in use after a collection. Requires `--expose-gc`. */
const heap = () => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const open = (world: World) => (key: string) =>
  Effect.acquireRelease(
    Effect.promise(() => world.open(key)),
    () => Effect.promise(world.close)
  )

const useAll = (each: Case, concurrency: number, use: (key: string) => Effect.Effect<void, unknown>) =>
  Effect.promise(() =>
    measure(each, () =>
      Effect.runPromise(
        Effect.forEach(Array(each.uses).keys(), (i) => use(keyOf(i, each)), { concurrency, discard: true })
      )
    )
  )

const pooled = (each: Case, world: World, measured: boolean) =>
  Effect.gen(function* () {
    const before = measured ? heap() : 0
    const sessions = yield* SessionPool.make({ capacity: each.capacity, open: open(world) })
    const use = (key: string) => sessions.use(key, (resource) => Effect.promise(() => world.use(resource)))
    const cost = yield* useAll(each, each.concurrency, use)
    const { evictions } = yield* sessions.stats
    return { cost, evictions, heapGrowthBytes: measured ? heap() - before : 0 }
  }).pipe(Effect.scoped, Effect.runPromise)

export const sessionPool: Contender = (each, world) => pooled(each, world, false)

/** A run of its own: a forced collection discards compiled code, and so slows the run that follows. */
export const heapGrowth = async (each: Case, world: World): Promise<number> =>
  (await pooled(each, world, true)).heapGrowthBytes

/** Neither of Effect's own has a queue, so no more callers run than there are places. They do not run one caller per key at a time. */
const withScope = (
  each: Case,
  world: World,
  get: (key: string) => ReturnType<ReturnType<typeof open>>,
  { concurrency, within } = { concurrency: each.capacity, within: identity<Effect.Effect<void>> }
): Effect.Effect<Outcome> => {
  const use = (key: string) =>
    within(Effect.scoped(Effect.flatMap(get(key), (resource) => Effect.promise(() => world.use(resource)))))
  return Effect.map(useAll(each, concurrency, use), (cost) => ({ cost, evictions: 0 }))
}

/** A distinct key is closed by its only caller; resident ones stay open. */
export const rcMap: Contender = (each, world) =>
  Effect.gen(function* () {
    const idleTimeToLive = each.case === "resident" ? Infinity : 0
    const map = yield* RcMap.make({ lookup: open(world), idleTimeToLive })
    return yield* withScope(each, world, (key) => RcMap.get(map, key))
  }).pipe(Effect.scoped, Effect.runPromise)

/** With a bound and a queue: as many callers as the pool has, of which one per place runs. No idle resource stays open. */
export const boundedRcMap: Contender = (each, world) =>
  Effect.gen(function* () {
    const map = yield* RcMap.make({ lookup: open(world) })
    const places = yield* Semaphore.make(each.capacity)
    return yield* withScope(each, world, (key) => RcMap.get(map, key), {
      concurrency: each.concurrency,
      within: places.withPermits(1)
    })
  }).pipe(Effect.scoped, Effect.runPromise)

/** The least that Effect needs to wait for a place, open, use and close: no keys, no order per key, and no resource stays open. */
export const unpooled: Contender = (each, world) =>
  Effect.gen(function* () {
    const places = yield* Semaphore.make(each.capacity)
    return yield* withScope(each, world, open(world), {
      concurrency: each.concurrency,
      within: places.withPermits(1)
    })
  }).pipe(Effect.runPromise)

/** Closes the least recently used resource, also one that is in use. */
export const scopedCache: Contender = (each, world) =>
  Effect.gen(function* () {
    const cache = yield* ScopedCache.make({ lookup: open(world), capacity: each.capacity })
    return yield* withScope(each, world, (key) => ScopedCache.get(cache, key))
  }).pipe(Effect.scoped, Effect.runPromise)

/** One queue per key for the order, one queue for the places, and a cache for idle resources. */
export const byHand: Contender = async (each, world) => {
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

  let next = 0
  const caller = async () => {
    while (next < each.uses) await use(keyOf(next++, each))
  }
  const cost = await measure(each, () => Promise.all(Array.from({ length: each.concurrency }, caller)))
  return { cost, evictions: world.counts.opens - taken }
}

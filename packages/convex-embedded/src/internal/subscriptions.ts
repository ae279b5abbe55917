/** Query results that clients watch: shared by all that ask the same, and outdated by the first write that they depend on. */
import type { Call, WatchedRun, WatchRequest } from "./calls.ts"

/** A result that is current until it is outdated; then its watchers are told, once. */
export interface LiveResult {
  /** Its number: what it depends on is kept under it where the writes are. */
  readonly id: number
  readonly run: WatchedRun
  readonly watchers: Set<() => void>
  readonly key: string
  outdated: boolean
  /** Of one that held its thread. */
  retry?: NodeJS.Timeout
}

/** When a query that held its thread is tried again; each time that it does, twice as long: all others wait for it. */
const RETRY_MILLIS = 2000
const LONGEST_RETRY_MILLIS = 5 * 60_000

/** A result that somebody wants to watch. What has the same key is the same result. */
export interface Wanted {
  readonly key: string
  readonly call: Call
  readonly journal: string | null
}

export interface SubscriptionsOptions {
  /** Hears of results that nobody watches any more. */
  readonly forget: (id: number) => void
  /** Gives the results in their order; `null` when one of several could not be computed, and nobody knows which. */
  readonly run: (requests: ReadonlyArray<WatchRequest>) => Promise<ReadonlyArray<WatchedRun> | null>
}

export class Subscriptions {
  readonly #byKey = new Map<string, LiveResult>()
  readonly #byId = new Map<number, LiveResult>()
  readonly #options: SubscriptionsOptions
  /** How many times in a row the query of a key held its thread. */
  readonly #held = new Map<string, number>()
  #results = 0

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  /** How many results somebody watches. */
  get size(): number {
    return this.#byId.size
  }

  /** The current results; those that nobody has are computed. Nothing may be written meanwhile. */
  async watch(wanted: ReadonlyArray<Wanted>, watcher: () => void): Promise<ReadonlyArray<LiveResult>> {
    // Again, because what ends a thread while one is computed makes others unknown that were there before.
    for (let missing = this.#missing(wanted); missing.length > 0; missing = this.#missing(wanted)) {
      if (await this.#compute(missing)) continue
      for (const each of missing) await this.#compute([each])
    }
    return wanted.map(({ key }) => {
      const shared = this.#byKey.get(key)!
      shared.watchers.add(watcher)
      return shared
    })
  }

  unwatch(result: LiveResult, watcher: () => void): void {
    result.watchers.delete(watcher)
    if (result.watchers.size > 0) return
    this.#held.delete(result.key)
    if (result.outdated) return
    this.#remove(result)
    this.#options.forget(result.id)
  }

  /** A commit changed what these results depend on. */
  outdate(ids: Iterable<number>): void {
    for (const id of ids) this.#outdate(this.#byId.get(id))
  }

  /** Any result may differ: the functions themselves have changed, or what the results depend on is not known any more. */
  outdateAll(isConcerned: (result: LiveResult) => boolean = () => true): void {
    for (const result of Array.from(this.#byId.values())) if (isConcerned(result)) this.#outdate(result)
  }

  #outdate(result: LiveResult | undefined): void {
    if (result === undefined) return
    this.#remove(result)
    result.outdated = true
    for (const watcher of result.watchers) watcher()
  }

  #missing(wanted: ReadonlyArray<Wanted>): ReadonlyArray<Wanted> {
    const missing = wanted.filter(({ key }) => !this.#byKey.has(key))
    return [...new Map(missing.map((each) => [each.key, each])).values()]
  }

  /** Whether they could be computed together. */
  async #compute(wanted: ReadonlyArray<Wanted>): Promise<boolean> {
    const requests = wanted.map(({ call, journal }) => ({ call, id: ++this.#results, journal }))
    const runs = await this.#options.run(requests)
    for (const [i, run] of runs?.entries() ?? []) {
      const { key } = wanted[i]!
      const result: LiveResult = { id: requests[i]!.id, key, outdated: false, run, watchers: new Set<() => void>() }
      this.#byKey.set(key, result)
      this.#byId.set(result.id, result)
      if (run.isStuck) this.#retry(result)
      else this.#held.delete(key)
    }
    return runs !== null
  }

  /** What it depends on is not known, so no write makes it outdated. */
  #retry(result: LiveResult): void {
    const times = this.#held.get(result.key) ?? 0
    this.#held.set(result.key, times + 1)
    const wait = Math.min(RETRY_MILLIS * 2 ** times, LONGEST_RETRY_MILLIS)
    result.retry = setTimeout(() => this.#outdate(result), wait).unref()
  }

  #remove(result: LiveResult): void {
    clearTimeout(result.retry)
    this.#byKey.delete(result.key)
    this.#byId.delete(result.id)
  }
}

/** Query results that clients watch: shared by all that ask the same, and outdated by the first write that they depend on. */
import type { Call, WatchedRun, WatchRequest } from "./calls.ts"
import { resultBytes } from "./result-bytes.ts"

/** A result that is current until it is outdated; then its watchers are told, once. */
export interface LiveResult {
  /** Its number: what it depends on is kept under it where the writes are. */
  readonly id: number
  readonly run: WatchedRun
  /** What it takes in memory: one of its watchers pays for all. */
  readonly bytes: number
  readonly watchers: Set<Watcher>
  payer: Watcher | null
  readonly key: string
  outdated: boolean
  /** Of one that held its thread. */
  retry?: NodeJS.Timeout
}

/** One use of a result. */
export interface Watcher {
  readonly onOutdated: () => void
  /** Receives what it pays for from now on in addition; less than 0 when that is over. */
  readonly pay: (bytes: number) => void
}

/** When a query that held its thread is tried again; each time that it does, twice as long: all others wait for it. */
const RETRY_MILLIS = 2000
const LONGEST_RETRY_MILLIS = 5 * 60_000

/** A result that somebody wants to watch. What has the same key is the same result. */
export interface Wanted {
  readonly key: string
  /** Made when it is needed. */
  readonly call: () => Call
  readonly journal: string | null
}

export interface SubscriptionsOptions {
  /** Hears of results that nobody watches any more. */
  readonly forget: (id: number) => void
  /** Returns the first results, at least one, in their order; `null` when one of several failed and it is not known which. */
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

  /**
   * The current results; those that are missing are computed. Nothing may be written meanwhile. Some at a time: `admit`
   * receives the bytes of those that are there, and may throw, which ends it and leaves nothing behind.
   */
  async watch(
    wanted: ReadonlyArray<Wanted>,
    watchers: ReadonlyArray<Watcher>,
    admit: (bytes: number) => void
  ): Promise<ReadonlyArray<LiveResult>> {
    try {
      // Again, because what ends a thread while one is computed makes others unknown that were there before.
      for (let missing = this.#missing(wanted); missing.length > 0; missing = this.#missing(wanted)) {
        if (!(await this.#compute(missing))) for (const each of missing) await this.#compute([each])
        admit(this.#bytesOf(wanted))
      }
    } catch (cause) {
      for (const { key } of wanted) this.#forgetUnwatched(this.#byKey.get(key))
      throw cause
    }
    return wanted.map(({ key }, i) => {
      const shared = this.#byKey.get(key)!
      shared.watchers.add(watchers[i]!)
      this.#charge(shared)
      return shared
    })
  }

  #bytesOf(wanted: ReadonlyArray<Wanted>): number {
    return wanted.reduce((sum, { key }) => sum + (this.#byKey.get(key)?.bytes ?? 0), 0)
  }

  /** Lets one of the watchers pay, when none does. */
  #charge(result: LiveResult): void {
    if (result.payer !== null) return
    const [first] = result.watchers
    if (first === undefined) return
    result.payer = first
    first.pay(result.bytes)
  }

  unwatch(result: LiveResult, watcher: Watcher): void {
    result.watchers.delete(watcher)
    if (result.payer === watcher) {
      result.payer = null
      watcher.pay(-result.bytes)
      this.#charge(result)
    }
    // A newer result of the same query goes on counting.
    if (result.watchers.size === 0 && (this.#byKey.get(result.key) ?? result) === result) this.#held.delete(result.key)
    this.#forgetUnwatched(result)
  }

  #forgetUnwatched(result: LiveResult | undefined): void {
    if (result === undefined || result.watchers.size > 0 || result.outdated) return
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
    for (const { onOutdated } of result.watchers) onOutdated()
  }

  #missing(wanted: ReadonlyArray<Wanted>): ReadonlyArray<Wanted> {
    const missing = wanted.filter(({ key }) => !this.#byKey.has(key))
    return [...new Map(missing.map((each) => [each.key, each])).values()]
  }

  /** Whether they, or the first of them, could be computed together. */
  async #compute(wanted: ReadonlyArray<Wanted>): Promise<boolean> {
    const requests = wanted.map(({ call, journal }) => ({ call: call(), id: ++this.#results, journal }))
    const runs = await this.#options.run(requests)
    for (const [i, run] of runs?.entries() ?? []) {
      const { key } = wanted[i]!
      const result: LiveResult = {
        bytes: resultBytes(run),
        id: requests[i]!.id,
        key,
        outdated: false,
        payer: null,
        run,
        watchers: new Set<Watcher>()
      }
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

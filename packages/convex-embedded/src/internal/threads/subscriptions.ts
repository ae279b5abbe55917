/** Query results that clients watch: shared by equal queries, and invalidated by the first write that they depend on. */
import type { Call, WatchedRun, WatchRequest } from "../values/calls.ts"
import { resultBytes } from "../values/result-bytes.ts"

/** Current until it is invalidated; then its watchers are notified, once. */
export interface LiveResult {
  /** Its number; the engine stores its read set under it. */
  readonly id: number
  readonly run: WatchedRun
  /** Its size in memory, charged to one of its watchers. */
  readonly bytes: number
  readonly watchers: Set<Watcher>
  payer: Watcher | null
  readonly key: string
  invalidated: boolean
  /** Once it is invalidated: the time of the last commit at which it was current. */
  until: bigint
  /** Set for a query that timed out and took its thread down. */
  retry?: NodeJS.Timeout
}

/** One use of a result. */
export interface Watcher {
  readonly onInvalidated: () => void
  /** Receives additional bytes that are charged to this watcher; a negative number releases them. */
  readonly pay: (bytes: number) => void
}

/**
 * Delay before a query that took its thread down is retried. It doubles with each timeout, up to the maximum: all other
 * calls wait while it runs.
 */
const RETRY_MILLIS = 2000
const MAX_RETRY_MILLIS = 5 * 60_000

/** A query to watch. Queries with the same key share a result. */
export interface WatchedQuery {
  readonly key: string
  /** Creates the call when it is needed. */
  readonly call: () => Call
  readonly journal: string | null
}

/** Results that are all current at the time `ts`. */
export interface Watched {
  readonly results: ReadonlyArray<LiveResult>
  readonly ts: bigint
}

/** Returns results at a time at which `others`, asked for at the end, are current, too; `null` if that failed. */
export type Watch = (
  queries: ReadonlyArray<WatchedQuery>,
  watchers: ReadonlyArray<Watcher>,
  admit: (bytes: number) => void,
  others: () => ReadonlyArray<LiveResult>
) => Promise<Watched | null>

/** The end of the time in which a result was current, if that is not known. */
const NEVER = -1n

/** Whether a result was current at a time that is not before its own. */
const isCurrentAt = ({ invalidated, until }: LiveResult, ts: bigint): boolean => !invalidated || until >= ts

/** The results of one snapshot. */
export interface Found {
  readonly runs: ReadonlyArray<WatchedRun>
  readonly ts: bigint
  /** Whether a result is still current. If so, the commit that outdates it will invalidate it. */
  readonly adopt: (i: number) => boolean
}

/** Runs queries in readers. */
export interface Reading {
  /** `use` is called when the results arrive, in the same step; with `null` if there are none. */
  readonly read: <A>(requests: ReadonlyArray<WatchRequest>, use: (found: Found | null) => A) => Promise<A>
  /** The time of the last commit. */
  readonly ts: () => bigint
}

export interface SubscriptionsOptions {
  /** Receives the numbers of results that are no longer watched. */
  readonly forget: (id: number) => void
  /** Returns the first results in order, at least one; `null` if one of several failed and it is not known which. */
  readonly run: (requests: ReadonlyArray<WatchRequest>) => Promise<ReadonlyArray<WatchedRun> | null>
}

export class Subscriptions {
  readonly #byKey = new Map<string, LiveResult>()
  readonly #byId = new Map<number, LiveResult>()
  readonly #options: SubscriptionsOptions
  /** Consecutive timeouts of the query of a key. */
  readonly #timeouts = new Map<string, number>()
  /** The keys of queries that run in readers. */
  readonly #reading = new Map<string, Promise<void>>()
  #results = 0

  constructor(options: SubscriptionsOptions) {
    this.#options = options
  }

  /** The number of watched results. */
  get size(): number {
    return this.#byId.size
  }

  /**
   * Returns the current results and computes missing ones, in batches. No transaction may commit meanwhile. `admit`
   * receives the bytes of the results so far; if it throws, all unwatched results are released.
   */
  async watch(
    queries: ReadonlyArray<WatchedQuery>,
    watchers: ReadonlyArray<Watcher>,
    admit: (bytes: number) => void
  ): Promise<ReadonlyArray<LiveResult>> {
    try {
      // Repeated, because a thread that is terminated meanwhile invalidates results that were present before.
      for (let missing = this.#missing(queries); missing.length > 0; missing = this.#missing(queries)) {
        if (!(await this.#compute(missing))) for (const each of missing) await this.#compute([each])
        admit(this.#bytesOf(queries))
      }
    } catch (cause) {
      for (const { key } of queries) this.#forgetUnwatched(this.#byKey.get(key))
      throw cause
    }
    return this.#take(
      queries.map(({ key }) => this.#byKey.get(key)!),
      watchers
    )
  }

  /**
   * As `watch`, while transactions commit: missing results are computed in one snapshot, and all results are of its time.
   * Those that are outdated meanwhile are not shared. Returns `null` if there is no such time.
   */
  async watchInReader(
    [queries, watchers, admit, others]: Parameters<Watch>,
    { read, ts }: Reading
  ): Promise<Watched | null> {
    const equal = queries.flatMap(({ key }) => this.#reading.get(key) ?? [])
    // Without a pause if there are none: a commit outdates a result for all its clients in one step.
    if (equal.length > 0) await Promise.all(equal)
    const missing = this.#missing(queries)
    // The result was outdated when it arrived. One of those that waited reads again; the engine shares its result with the others.
    if (missing.some(({ key }) => this.#reading.has(key))) return null
    const results = new Map(queries.flatMap(({ key }) => this.#byKey.get(key) ?? []).map((each) => [each.key, each]))
    let at = ts()
    try {
      if (missing.length > 0) {
        const requests = missing.map((query) => this.#request(query))
        const use = (found: Found | null) => {
          for (const [i, run] of found?.runs.entries() ?? []) {
            const { key } = missing[i]!
            results.set(key, this.#add(key, requests[i]!.id, run, found!.adopt(i) || found!.ts))
          }
          at = found?.ts ?? at
        }
        await this.#reserved(missing, () => read(requests, use))
      }
      const all = queries.flatMap(({ key }) => results.get(key) ?? [])
      if (all.length < queries.length || ![...all, ...others()].every((each) => isCurrentAt(each, at))) return null
      admit(all.reduce((sum, { bytes }) => sum + bytes, 0))
      return { results: this.#take(all, watchers), ts: at }
    } finally {
      for (const result of results.values()) this.#forgetUnwatched(result)
    }
  }

  /** Other clients wait for these queries instead of running them, too. */
  async #reserved<A>(queries: ReadonlyArray<WatchedQuery>, run: () => Promise<A>): Promise<A> {
    const running = run()
    const ended = running.then(
      () => undefined,
      () => undefined
    )
    for (const { key } of queries) this.#reading.set(key, ended)
    try {
      return await running
    } finally {
      for (const { key } of queries) this.#reading.delete(key)
    }
  }

  #take(results: ReadonlyArray<LiveResult>, watchers: ReadonlyArray<Watcher>): ReadonlyArray<LiveResult> {
    for (const [i, result] of results.entries()) {
      result.watchers.add(watchers[i]!)
      this.#charge(result)
    }
    return results
  }

  #bytesOf(queries: ReadonlyArray<WatchedQuery>): number {
    return queries.reduce((sum, { key }) => sum + (this.#byKey.get(key)?.bytes ?? 0), 0)
  }

  /** Charges a result to one of its watchers, if it is not charged yet. */
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
    // A newer result of the same query keeps the count.
    if (result.watchers.size === 0 && (this.#byKey.get(result.key) ?? result) === result)
      this.#timeouts.delete(result.key)
    this.#forgetUnwatched(result)
  }

  #forgetUnwatched(result: LiveResult | undefined): void {
    if (result === undefined || result.watchers.size > 0 || result.invalidated) return
    this.#remove(result)
    // No commit invalidates it from here on: a client that still waits for a reader must not use it.
    result.invalidated = true
    this.#options.forget(result.id)
  }

  /** A commit changed data that these results depend on. `until`: the time of the commit before it. */
  invalidate(ids: Iterable<number>, until: bigint): void {
    for (const id of ids) this.#invalidate(this.#byId.get(id), until)
  }

  /** The functions have changed, or the dependencies of results are unknown. */
  invalidateAll(isAffected: (result: LiveResult) => boolean = () => true): void {
    for (const result of Array.from(this.#byId.values())) if (isAffected(result)) this.#invalidate(result)
  }

  #invalidate(result: LiveResult | undefined, until = NEVER): void {
    if (result === undefined) return
    this.#remove(result)
    result.invalidated = true
    result.until = until
    for (const { onInvalidated } of result.watchers) onInvalidated()
  }

  #missing(queries: ReadonlyArray<WatchedQuery>): ReadonlyArray<WatchedQuery> {
    const missing = queries.filter(({ key }) => !this.#byKey.has(key))
    return [...new Map(missing.map((each) => [each.key, each])).values()]
  }

  /** Returns false if one of them failed and each has to be computed separately. */
  async #compute(queries: ReadonlyArray<WatchedQuery>): Promise<boolean> {
    const requests = queries.map((query) => this.#request(query))
    const runs = await this.#options.run(requests)
    for (const [i, run] of runs?.entries() ?? []) this.#add(queries[i]!.key, requests[i]!.id, run, true)
    return runs !== null
  }

  #request({ call, journal }: WatchedQuery): WatchRequest {
    return { call: call(), id: ++this.#results, journal }
  }

  /** `current`: true, or until when the result was current. */
  #add(key: string, id: number, run: WatchedRun, current: true | bigint): LiveResult {
    const isShared = current === true && !this.#byKey.has(key)
    const result: LiveResult = {
      bytes: resultBytes(run),
      id,
      key,
      invalidated: !isShared,
      payer: null,
      run,
      until: current === true ? NEVER : current,
      watchers: new Set<Watcher>()
    }
    if (!isShared) {
      this.#options.forget(id)
      return result
    }
    this.#byKey.set(key, result)
    this.#byId.set(id, result)
    if (run.isHung) this.#retry(result)
    else this.#timeouts.delete(key)
    return result
  }

  /** Its dependencies are unknown, so no write invalidates it. */
  #retry(result: LiveResult): void {
    const times = this.#timeouts.get(result.key) ?? 0
    this.#timeouts.set(result.key, times + 1)
    const wait = Math.min(RETRY_MILLIS * 2 ** times, MAX_RETRY_MILLIS)
    result.retry = setTimeout(() => this.#invalidate(result), wait).unref()
  }

  #remove(result: LiveResult): void {
    clearTimeout(result.retry)
    this.#byKey.delete(result.key)
    this.#byId.delete(result.id)
  }
}

/** Query results that clients watch: shared by all that ask the same, and outdated by the first write that they depend on. */
import type { WatchedRun } from "./calls.ts"

/** A result that is current until it is outdated; then its watchers are told, once. */
export interface LiveResult {
  /** Its number: what it depends on is kept under it where the writes are. */
  readonly id: number
  readonly run: WatchedRun
  readonly watchers: Set<() => void>
  readonly key: string
  outdated: boolean
}

export class Subscriptions {
  readonly #byKey = new Map<string, LiveResult>()
  readonly #byId = new Map<number, LiveResult>()
  readonly #forget: (id: number) => void
  #results = 0

  /** `forget` hears of results that nobody watches any more. */
  constructor(forget: (id: number) => void) {
    this.#forget = forget
  }

  /** The current result for `key`, computed by `run` if nobody has it. Nothing may be written meanwhile. */
  async watch(key: string, watcher: () => void, run: (id: number) => Promise<WatchedRun>): Promise<LiveResult> {
    const shared = this.#byKey.get(key) ?? (await this.#add(key, run))
    shared.watchers.add(watcher)
    return shared
  }

  unwatch(result: LiveResult, watcher: () => void): void {
    result.watchers.delete(watcher)
    if (result.watchers.size > 0 || result.outdated) return
    this.#remove(result)
    this.#forget(result.id)
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

  async #add(key: string, run: (id: number) => Promise<WatchedRun>): Promise<LiveResult> {
    const id = ++this.#results
    const result = { id, key, outdated: false, run: await run(id), watchers: new Set<() => void>() }
    this.#byKey.set(key, result)
    this.#byId.set(id, result)
    return result
  }

  #remove(result: LiveResult): void {
    this.#byKey.delete(result.key)
    this.#byId.delete(result.id)
  }
}

/**
 * Reads from the deployment, shared by the components that show them: one subscription per key, its last value,
 * and for some keys a copy in the browser that is shown until the deployment responds.
 */
import type { Client } from "@opencode-worker/client"
import type { Store } from "./storage.ts"

export interface Result<A> {
  /** Undefined until the first value. */
  readonly value: A | undefined
  readonly error: unknown
  /** `value` is a copy of an earlier visit. */
  readonly isCopy: boolean
}

export type Read<A> = (client: Client, signal: AbortSignal) => AsyncIterable<A>

/** Of a value that is read once. */
export const once = <A>(load: (client: Client, signal: AbortSignal) => Promise<A>): Read<A> =>
  async function* (client, signal) {
    yield await load(client, signal)
  }

/** The first rows of a long list. */
export const firstOf = <A>(limit: number, read: Read<A>): Read<ReadonlyArray<A>> =>
  async function* (client, signal) {
    const rows: Array<A> = []
    for await (const row of read(client, signal)) {
      rows.push(row)
      if (rows.length === limit) break
    }
    yield rows
  }

const empty: Result<never> = { value: undefined, error: undefined, isCopy: false }

/** Milliseconds that a subscription lasts after the last reader has left, so that going back and forth is immediate. */
const linger = 5_000

export class Source<A> {
  readonly #start: (signal: AbortSignal) => AsyncIterable<A>
  readonly #copy: { readonly key: string; readonly store: Store<unknown> } | undefined
  readonly #listeners = new Set<() => void>()
  #running: AbortController | undefined
  #leaving: ReturnType<typeof setTimeout> | undefined
  #result: Result<A> = empty

  constructor(
    start: (signal: AbortSignal) => AsyncIterable<A>,
    copy?: { readonly key: string; readonly store: Store<unknown> }
  ) {
    this.#start = start
    this.#copy = copy
  }

  readonly result = (): Result<A> => this.#result

  readonly subscribe = (listener: () => void): (() => void) => {
    clearTimeout(this.#leaving)
    this.#listeners.add(listener)
    if (this.#running === undefined) this.retry()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#leaving = setTimeout(() => {
        this.#running?.abort()
        this.#running = undefined
      }, linger)
    }
  }

  /** Reads again. The last value stays until there is another. */
  readonly retry = (): void => {
    this.#running?.abort()
    this.#running = new AbortController()
    if (this.#result.error !== undefined) this.#set({ ...this.#result, error: undefined })
    void this.#run(this.#running.signal)
  }

  async #run(signal: AbortSignal): Promise<void> {
    void this.#readCopy(signal)
    try {
      for await (const value of this.#start(signal)) {
        if (signal.aborted) return
        this.#set({ value, error: undefined, isCopy: false })
        // A copy that cannot be stored is read from the deployment the next time.
        await this.#copy?.store.set(this.#copy.key, value).catch(() => undefined)
      }
    } catch (error) {
      if (!signal.aborted) this.#set({ ...this.#result, error })
    }
  }

  async #readCopy(signal: AbortSignal): Promise<void> {
    if (this.#copy === undefined || this.#result.value !== undefined) return
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same key stored it
    const value = (await this.#copy.store.get(this.#copy.key).catch(() => undefined)) as A | undefined
    if (value !== undefined && this.#result.value === undefined && !signal.aborted) {
      this.#set({ ...this.#result, value, isCopy: true })
    }
  }

  #set(result: Result<A>): void {
    this.#result = result
    for (const listener of this.#listeners) listener()
  }
}

export class Sources {
  readonly #client: Client
  readonly #store: Store<unknown>
  readonly #sources = new Map<string, Source<unknown>>()

  constructor(client: Client, store: Store<unknown>) {
    this.#client = client
    this.#store = store
  }

  /** The source of a key, which must be read in the same way by all. `keep`: a copy stays in the browser. */
  get<A>(key: string, read: Read<A>, keep = false): Source<A> {
    const known = this.#sources.get(key)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same key has the same type
    if (known !== undefined) return known as Source<A>
    const start = (signal: AbortSignal) => read(this.#client, signal)
    const source = new Source(start, keep ? { key, store: this.#store } : undefined)
    this.#sources.set(key, source)
    return source
  }
}

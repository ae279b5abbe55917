/**
 * The threads of readers: they run queries while the engine runs others, each in a snapshot of its own.
 *
 * They are started when a query has taken long, and end when none was needed for some time, so a deployment without long
 * queries has none.
 */
import { availableParallelism } from "node:os"
import type { Snapshot, WatchRequest } from "../values/calls.ts"
import { EngineThread, type EngineThreadOptions, HungFunctionError } from "./engine-thread.ts"

const READERS = Math.min(4, Math.max(2, availableParallelism()))

/** Readers end after this time without a query. */
const IDLE_MILLIS = 60_000

/** After a reader could not start, none starts for this time. */
const RETRY_MILLIS = 60_000

interface Reader {
  readonly thread: EngineThread
  /** The queries that run or wait in it. */
  load: number
  tail: Promise<unknown>
}

export interface ReadersOptions {
  readonly settings: () => EngineThreadOptions["settings"]
  /** Permits readers, after all earlier requests. */
  readonly share: () => Promise<void>
}

export class Readers {
  readonly #options: ReadersOptions
  #readers: Array<Reader> = []
  #isStarting = false
  /** A thread that starts: the data file is open in it. */
  #launching: Promise<EngineThread> | null = null
  #failedAt = -Infinity
  #idle: NodeJS.Timeout | undefined
  /** Counts the calls of `end`: readers that start meanwhile are not used. */
  #ends = 0
  #ending: Promise<void> = Promise.resolve()
  /** Reads that begin now wait for it. */
  #pause: Promise<unknown> | null = null

  constructor(options: ReadersOptions) {
    this.#options = options
  }

  /** Whether a query can run in a reader, perhaps behind others. */
  get isUp(): boolean {
    return this.#readers.length > 0
  }

  /** Whether a query can run now. Starts another reader if all are busy. */
  isFree(): boolean {
    if (this.#pause !== null) return false
    if (this.#readers.some(({ load }) => load === 0)) return true
    if (this.isUp) this.start()
    return false
  }

  /** Starts one more reader, unless one starts or all are there. */
  start(): void {
    if (this.#isStarting || this.#readers.length >= READERS) return
    if (performance.now() - this.#failedAt < RETRY_MILLIS) return
    this.#isStarting = true
    this.#startOne(this.#ends)
      // Queries run in the engine then.
      .catch(() => (this.#failedAt = performance.now()))
      .finally(() => (this.#isStarting = false))
  }

  async #startOne(ends: number): Promise<void> {
    if (!this.isUp) await this.#options.share()
    if (ends !== this.#ends) return
    this.#launching = EngineThread.start({
      kind: "reader",
      onCommit: () => undefined,
      onEnded: () => Promise.resolve(),
      onReplaced: () => undefined,
      settings: this.#options.settings()
    })
    const thread = await this.#launching
    if (ends !== this.#ends) return
    this.#launching = null
    this.#readers.push({ load: 0, tail: this.#pause ?? Promise.resolve(), thread })
    this.#keep()
  }

  /** Rejects with `HungFunctionError` if one of them hung. Returns `null` if only the engine can run them. */
  async read(requests: ReadonlyArray<WatchRequest>): Promise<Snapshot | null> {
    const reader = this.#readers.toSorted((left, right) => left.load - right.load)[0]
    if (reader === undefined) return null
    if (reader.load > 0) this.start()
    clearTimeout(this.#idle)
    reader.load++
    const result = reader.tail.then(() => reader.thread.request("snapshot", requests))
    reader.tail = result.catch(() => undefined)
    try {
      return await result
    } catch (cause) {
      if (cause instanceof HungFunctionError) throw cause
      return null
    } finally {
      reader.load--
      this.#keep()
    }
  }

  /** Runs `job` when no reader has a snapshot. Does nothing if a pause has begun. */
  pause(job: () => Promise<unknown>): void {
    if (this.#pause !== null) return
    const ended = Promise.all(this.#readers.map(({ tail }) => tail))
    const pause = ended
      .then(job)
      .catch(() => undefined)
      .finally(() => (this.#pause = null))
    this.#pause = pause
    for (const reader of this.#readers) reader.tail = pause
  }

  /** Ends all readers, with the queries that run or wait in them. Resolves when none has the data file open. */
  end(): Promise<void> {
    this.#ends++
    clearTimeout(this.#idle)
    const launched = this.#launching?.then(
      (thread) => thread.end(),
      () => undefined
    )
    this.#launching = null
    const ended = this.#readers.splice(0).map(({ thread }) => thread.end())
    this.#ending = Promise.all([this.#ending, launched, ...ended]).then(() => undefined)
    return this.#ending
  }

  #keep(): void {
    clearTimeout(this.#idle)
    if (this.#readers.every(({ load }) => load === 0))
      this.#idle = setTimeout(() => void this.end(), IDLE_MILLIS).unref()
  }
}

/**
 * Runs queries: in the engine, in the order of all requests, or in a reader at the same time.
 *
 * A query goes to a reader if its last run took long, or if it has waited for the engine while a reader is free. A result of a
 * reader is used after the commit that it saw is on the disk. It is of its snapshot's time, and stays current until a later
 * commit changes a range that it has read (see `Validity`).
 */
import type { EngineApi } from "../engine/engine-api.ts"
import type { Call, Commit, Run, WatchedRun, WatchRequest } from "../values/calls.ts"
import { failureOf } from "../values/errors.ts"
import { canonicalPath } from "../values/function-path.ts"
import { type EngineThread, HungFunctionError } from "./engine-thread.ts"
import type { Queue } from "./queue.ts"
import { Readers, type ReadersOptions } from "./readers.ts"
import { type Found, Subscriptions, type Watch } from "./subscriptions.ts"
import { ThreadEnded } from "./thread.ts"
import { Validity } from "./validity.ts"

/** A query whose last run took this processor time goes to a reader. */
const LONG_MILLIS = 20

/** A query that has waited for this time goes to a reader that is free. */
const PATIENCE_MILLIS = 5

interface ReadsOptions {
  readonly queue: Queue
  readonly engine: EngineThread
  readonly settings: ReadersOptions["settings"]
}

export class Reads {
  readonly subscriptions: Subscriptions
  readonly #queue: Queue
  readonly #engine: EngineThread
  readonly #readers: Readers
  readonly #validity = new Validity()
  /** The paths of queries whose last run took long. */
  readonly #long = new Set<string>()
  #ts = 0n

  constructor({ engine, queue, settings }: ReadsOptions) {
    this.#queue = queue
    this.#engine = engine
    this.#readers = new Readers({ settings, share: () => queue.exclusive(() => engine.request("share")) })
    this.subscriptions = new Subscriptions({
      forget: (id) => {
        engine.forget(id)
        this.#validity.forget(id)
      },
      run: (requests) => this.#watchInEngine(requests)
    })
  }

  /** The time of the last commit. */
  get ts(): bigint {
    return this.#ts
  }

  async query(call: Call): Promise<Run> {
    const inEngine = async () => {
      try {
        return this.#noted(call, await this.#engine.request("query", call))
      } catch (cause) {
        if (cause instanceof HungFunctionError) this.#isLong(call)
        throw cause
      }
    }
    const inReader = () => this.#read<Run | null>([{ call, id: 0, journal: null }], (found) => found?.runs[0] ?? null)
    return this.#run([call.path], inEngine, inReader).catch(failed)
  }

  /** Runs a transition of queries of these paths; `run` resolves with `null` if `watch` does. */
  transition<A>(paths: ReadonlyArray<string>, run: (watch: Watch) => Promise<A | null>): Promise<A> {
    const inEngine: Watch = async (queries, watchers, admit) => {
      const ts = this.#ts
      return { results: await this.subscriptions.watch(queries, watchers, admit), ts }
    }
    const inReader: Watch = (...watched) =>
      this.subscriptions.watchInReader(watched, { read: (...read) => this.#read(...read), ts: () => this.#ts })
    // Without a query to run, it is of the last commit.
    if (paths.length === 0) return run(inEngine) as Promise<A>
    return this.#run(
      paths,
      async () => (await run(inEngine))!,
      () => run(inReader)
    )
  }

  commit(commit: Commit): void {
    const { invalidated } = commit
    const before = this.#ts
    this.#ts = commit.ts
    this.subscriptions.invalidate([...invalidated, ...this.#validity.commit(commit)], before)
    if (commit.isLogLong) {
      this.#readers.pause(() => this.#queue.exclusive(() => this.#engine.request("truncateLog")))
    }
  }

  /** Readers must no longer be used: the functions change, or the engine thread is replaced. */
  async reset(): Promise<void> {
    this.subscriptions.invalidate(this.#validity.reset(), this.#ts)
    await this.#readers.end()
  }

  async #run<A>(
    paths: ReadonlyArray<string>,
    inEngine: () => Promise<A>,
    inReader: () => Promise<A | null>
  ): Promise<A> {
    if (this.#readers.isUp && paths.some((path) => this.#long.has(canonicalPath(path)))) {
      return (await inReader()) ?? this.#queue.exclusive(inEngine)
    }
    return this.#queue.exclusiveOr(inEngine, PATIENCE_MILLIS, () => (this.#readers.isFree() ? inReader() : null))
  }

  /** Runs queries in a reader, and returns what `use` does. It receives `null` if their results cannot be used. */
  async #read<A>(requests: ReadonlyArray<WatchRequest>, use: (found: Found | null) => A): Promise<A> {
    const { end, isUsable } = this.#validity.begin()
    try {
      const snapshot = await this.#readers.read(requests)
      if (snapshot === null) return use(null)
      const { reads, runs, ts } = snapshot
      await this.#validity.reached(ts)
      if (!isUsable()) return use(null)
      for (const [i, run] of runs.entries()) this.#noted(requests[i]!.call, run)
      return use({ adopt: (i) => this.#validity.adopt(requests[i]!.id, reads[i]!, ts), runs, ts })
    } catch (cause) {
      if (!(cause instanceof HungFunctionError) || requests.length > 1) return use(null)
      this.#isLong(requests[0]!.call)
      return use({ adopt: () => true, runs: [hung(requests[0]!, cause)], ts: this.#ts })
    } finally {
      end()
    }
  }

  /** Only inside of `exclusive`. Returns `null` if one of several queries took the thread down: it is not known which. */
  async #watchInEngine(requests: ReadonlyArray<WatchRequest>): Promise<ReadonlyArray<WatchedRun> | null> {
    try {
      const runs: Awaited<ReturnType<EngineApi["watch"]>> = await this.#engine.request("watch", requests)
      for (const [i, run] of runs.entries()) this.#noted(requests[i]!.call, run)
      return runs
    } catch (cause) {
      if (!(cause instanceof ThreadEnded) && !(cause instanceof HungFunctionError)) throw cause
      if (requests.length === 1) this.#isLong(requests[0]!.call)
      return requests.length > 1 ? null : requests.map((request) => hung(request, cause))
    }
  }

  /** Records whether a query took long. */
  #noted<A extends Run>(call: Call, run: A): A {
    if (run.millis !== undefined && run.millis >= LONG_MILLIS) this.#isLong(call)
    else this.#long.delete(canonicalPath(call.path))
    return run
  }

  /** A reader starts, for the next run of the query. */
  #isLong({ path }: Call): void {
    this.#long.add(canonicalPath(path))
    if (!this.#readers.isUp) this.#readers.start()
  }
}

const failed = (cause: unknown): Run => ({ logLines: [], outcome: { failure: failureOf(cause) } })

const hung = ({ journal }: WatchRequest, cause: unknown): WatchedRun => ({ ...failed(cause), isHung: true, journal })

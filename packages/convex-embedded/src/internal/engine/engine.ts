/**
 * Runs queries and mutations, in the thread that owns the store.
 *
 * Invariant: one request at a time (see `EngineThread`). This makes transactions serializable.
 */
// The global `performance` stands still inside of functions.
import { performance } from "node:perf_hooks"
import type { JSONValue } from "convex/values"
import type { ConvexFunction, FunctionKind, Functions } from "../functions/functions.ts"
import { inFrame } from "../functions/runtime.ts"
import { Stopwatch } from "../functions/stopwatch.ts"
import { Cursors } from "../query/cursors.ts"
import type { KeyRange } from "../query/ranges.ts"
import { ReadSets } from "../query/read-sets.ts"
import { Transaction } from "../query/transaction.ts"
import { isAnswerTo } from "../storage/answers.ts"
import type { Catalog } from "../storage/catalog.ts"
import type { Change } from "../storage/documents.ts"
import type { Store } from "../storage/store.ts"
import type {
  Call,
  ChangedKey,
  ClientMutation,
  Commit,
  MutationRequest,
  MutationRun,
  RequestKey,
  Run,
  Snapshot,
  WatchedRun,
  WatchRequest
} from "../values/calls.ts"
import { failureOf, FunctionFailure, missingFunction, timedOut } from "../values/errors.ts"
import { canonicalPath } from "../values/function-path.ts"
import { limits } from "../values/limits.ts"
import { resultBytes } from "../values/result-bytes.ts"
import { checkArguments, checkResult } from "./checks.ts"
import type { FileUrls } from "./file-urls.ts"
import { type Execution, executionOf, type FunctionHost, type Invocation } from "./invocation.ts"
import { transactionFrame } from "./syscalls.ts"
import type { WatchdogState } from "./watchdog-state.ts"

export interface EngineOptions {
  readonly store: Store
  readonly catalog: Catalog
  readonly functions: Functions
  readonly userTimeLimit: number
  readonly fileUrls: FileUrls
  readonly watchdog: WatchdogState
  /** The index of the jobs: a commit that changes it is reported to the scheduler. */
  readonly jobsIndex: number
  readonly onCommit: () => void
}

/** After this time, a batch of mutations is committed to disk without waiting for further ones. */
const BATCH_MILLIS = 10

/** The most changed keys of a commit that are reported one by one. */
const REPORTED_CHANGES = 5000

export class Engine implements FunctionHost {
  readonly catalog: Catalog
  readonly cursors: Cursors
  readonly fileUrls: FileUrls
  readonly watchdog: WatchdogState
  readonly userTimeLimit: number
  readonly readSets = new ReadSets()
  functions: Functions
  readonly #store: Store
  readonly #jobsIndex: number
  readonly #committed: () => void
  #invalidated: ReadonlyArray<number> = []
  #jobs = false
  /** The changed keys since the last report. `null`: too many. Empty without readers. */
  #changes: Array<ChangedKey> | null = []
  /** The version of the tables that the catalog of a reader shows. */
  #tablesVersion = -1

  constructor(options: EngineOptions) {
    this.catalog = options.catalog
    this.cursors = new Cursors(options.store.secret("cursors"))
    this.fileUrls = options.fileUrls
    this.functions = options.functions
    this.watchdog = options.watchdog
    this.#store = options.store
    this.userTimeLimit = options.userTimeLimit
    this.#jobsIndex = options.jobsIndex
    this.#committed = options.onCommit
  }

  /** The effects of the commits since the last call. */
  takeCommit(): Commit {
    const [changes, invalidated, jobs] = [this.#changes, this.#invalidated, this.#jobs]
    this.#changes = []
    this.#invalidated = []
    this.#jobs = false
    return { changes, invalidated, isLogLong: this.#store.isLogLong, jobs, ts: this.#store.ts }
  }

  /** Finds a function for a caller. Fails as for a missing function if the caller may not call it. */
  find({ caller, path }: Pick<Call, "caller" | "path">, kind: FunctionKind): ConvexFunction {
    const found = this.lookup(canonicalPath(path))
    if (found === undefined || (caller === "client" && !found.isPublic)) throw missingFunction(path)
    if (found.kind !== kind) {
      throw new FunctionFailure(
        `Trying to execute ${path} as ${title(kind)}, but it is defined as ${title(found.kind)}.`
      )
    }
    return found
  }

  /** Finds a function by its canonical path, public or not. */
  lookup(path: string): ConvexFunction | undefined {
    return this.functions.byPath.get(path)
  }

  async query(call: Call): Promise<Run> {
    const { outcome, logLines, millis } = await this.#read(call, null)
    return { logLines, millis, outcome }
  }

  /**
   * Runs queries whose results are watched, one after the other, until their results exceed `limits.watchedBytes`: at
   * least the first. A failure depends on the ranges that were read, as a result does.
   */
  async watch(requests: ReadonlyArray<WatchRequest>): Promise<ReadonlyArray<WatchedRun>> {
    const { reads, runs } = await this.#readAll(requests)
    for (const [i, each] of reads.entries()) this.readSets.set(requests[i]!.id, each)
    return runs
  }

  /** As `watch`, in one snapshot of a reader. Returns `null` if only the writer can run them. */
  async snapshot(requests: ReadonlyArray<WatchRequest>): Promise<Snapshot | null> {
    const version = this.#store.beginSnapshot()
    try {
      if (version !== this.#tablesVersion) this.catalog.reload()
      this.#tablesVersion = version
      this.catalog.lacksTable = false
      const { reads, runs } = await this.#readAll(requests)
      if (this.catalog.lacksTable) return null
      return { reads: reads.map((ranges) => ranges.map(copyOf)), runs, ts: this.#store.ts }
    } finally {
      this.#store.rollback()
    }
  }

  async #readAll(requests: ReadonlyArray<WatchRequest>) {
    const runs: Array<WatchedRun> = []
    const reads: Array<ReadonlyArray<KeyRange>> = []
    let bytes = 0
    for (const { call, journal } of requests) {
      const { reads: ranges, ...run } = await this.#read(call, journal)
      reads.push(ranges)
      runs.push(run)
      bytes += resultBytes(run)
      if (bytes > limits.watchedBytes) break
    }
    return { reads, runs }
  }

  async #read(call: Call, previous: string | null) {
    const transaction = new Transaction(this.#store, this.catalog, "read")
    const execution = executionOf(call.identity, previous)
    const began = process.threadCpuUsage()
    const run = await this.#run(execution, () =>
      this.invoke(this.find(call, "query"), call.args, execution, transaction)
    )
    transaction.rollback()
    // After a failure the next run starts without a journal, as in Convex: the journal may be the cause.
    const journal = "failure" in run.outcome ? null : (execution.page.journal ?? previous)
    const { system, user } = process.threadCpuUsage(began)
    return { ...run, journal, millis: (system + user) / 1000, reads: transaction.reads }
  }

  /**
   * Runs mutations one after the other, each in its own transaction; they become durable together. Runs at least the
   * first, and more only for `BATCH_MILLIS`.
   */
  async mutations(requests: ReadonlyArray<MutationRequest>): Promise<ReadonlyArray<MutationRun>> {
    const runs: Array<MutationRun> = []
    const began = performance.now()
    for (const request of requests) {
      runs.push(await this.#mutation(request))
      if (performance.now() - began > BATCH_MILLIS) break
    }
    return runs
  }

  /** With a client's key it runs at most once, however often it is sent. */
  async #mutation({ call, key }: MutationRequest): Promise<MutationRun> {
    const known = key === null ? null : this.answer({ call, key })
    if (known !== null) return known
    const execution = executionOf(call.identity)
    let ts = 0n
    const run = await this.#run(execution, () =>
      this.write(async (transaction) => {
        ts = transaction.ts
        const json = await this.invoke(this.find(call, "mutation"), call.args, execution, transaction)
        if (key !== null) transaction.putAnswer({ call, key }, json)
        return json
      })
    )
    return { ...run, ts }
  }

  /** The answer of a committed mutation; a failure if its key belongs to another call; `null` if it was not committed. */
  answer({ call, key }: ClientMutation): MutationRun | null {
    const known = this.#store.answers.get(key)
    if (known === null) return null
    const outcome = isAnswerTo(known, call) ? { json: known.result } : { failure: failureOf(otherRequest(key)) }
    return { logLines: [], outcome, ts: known.ts }
  }

  async #run(execution: Execution, run: () => Promise<string>): Promise<Run> {
    const { logLines } = execution.console
    try {
      return { logLines, outcome: { json: await run() } }
    } catch (cause) {
      return { logLines, outcome: { failure: failureOf(cause) } }
    }
  }

  /** Commits all writes of `work`, or none if it fails. */
  write<A>(work: (transaction: Transaction) => A | Promise<A>): Promise<A> {
    return this.#write(new Transaction(this.#store, this.catalog, "write"), work)
  }

  /** As `write`, without the limits of reads and writes: for work of the deployment on a whole table. */
  writeUnlimited<A>(work: (transaction: Transaction) => A | Promise<A>): Promise<A> {
    return this.#write(new Transaction(this.#store, this.catalog, "write", true), work)
  }

  async #write<A>(transaction: Transaction, work: (transaction: Transaction) => A | Promise<A>): Promise<A> {
    try {
      const result = await work(transaction)
      if (this.watchdog.outside(() => transaction.commit())) this.#onCommit(transaction.changes)
      return result
    } catch (cause) {
      this.watchdog.outside(() => transaction.rollback())
      throw cause
    }
  }

  #onCommit(changes: ReadonlyArray<Change>): void {
    this.#invalidated = [...this.#invalidated, ...this.readSets.take(changes)]
    if (this.#store.isShared && this.#changes !== null) {
      if (this.#changes.length + changes.length > REPORTED_CHANGES) this.#changes = null
      else this.#changes.push(...changes.map(({ indexId, key }) => ({ indexId, key: new Uint8Array(key) })))
    }
    this.#jobs ||= changes.some((change) => change.indexId === this.#jobsIndex)
    this.#committed()
  }

  /** Runs a query or mutation in a transaction that its caller ends. Returns the result as JSON text. */
  async invoke(
    found: ConvexFunction,
    args: JSONValue,
    execution: Execution,
    transaction: Transaction
  ): Promise<string> {
    const json = checkArguments(found, args, this.catalog.isId)
    const stopwatch = new Stopwatch(this.userTimeLimit)
    const invocation: Invocation = { ended: false, execution, function: found, stopwatch }
    try {
      const frame = transactionFrame(this, transaction, invocation)
      this.watchdog.enter()
      const work = inFrame(frame, () => found.invoke(`[${json}]`))
      const result = transaction.withCommitTs(await stopwatch.limit(work, () => timedOut(this.userTimeLimit)))
      this.watchdog.outside(() => checkResult(found, result, this.catalog.isId))
      return result
    } finally {
      // Until the answer is sent, code that the function left behind may still occupy the thread.
      this.watchdog.enter()
      invocation.ended = true
    }
  }
}

/** Without the rest of the memory of which the keys are a part: it would be sent, too. */
const copyOf = ({ high, index, low }: KeyRange) => ({
  high: new Uint8Array(high),
  index: { id: index.id },
  low: new Uint8Array(low)
})

const otherRequest = ({ requestId }: RequestKey): FunctionFailure =>
  new FunctionFailure(
    `Request ${requestId} of this session was used for another call: by another identity, of another function or with other arguments. ` +
      "This call was not run. Send it with a new request id."
  )

const title = (word: string) => word[0]!.toUpperCase() + word.slice(1)

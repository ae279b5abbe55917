/**
 * Runs queries and mutations, in the thread that has the store.
 *
 * Invariant: one request at a time works here (see `EngineThread`), which is what makes transactions serializable.
 */
// Not the global one, which stands still in a function.
import { performance } from "node:perf_hooks"
import type { JSONValue, Value } from "convex/values"
import type { Identity } from "./auth.ts"
import { isAnswerTo } from "./answers.ts"
import type {
  Call,
  ClientMutation,
  Commit,
  MutationRequest,
  MutationRun,
  RequestKey,
  Run,
  WatchedRun,
  WatchRequest
} from "./calls.ts"
import type { Catalog } from "./catalog.ts"
import { Cursors } from "./cursors.ts"
import { failureOf, FunctionFailure, messageOf, missingFunction, timedOut } from "./errors.ts"
import type { FileUrls } from "./files.ts"
import { canonicalPath, type ConvexFunction, type FunctionKind, type Functions } from "./functions.ts"
import { nestingOf, tooNested } from "./json.ts"
import { limits } from "./limits.ts"
import type { Pulse } from "./pulse.ts"
import { ReadSets } from "./read-sets.ts"
import { resultBytes } from "./result-bytes.ts"
import { Console, Determinism, inFrame } from "./runtime.ts"
import { Stopwatch } from "./stopwatch.ts"
import type { Store } from "./store.ts"
import { transactionFrame } from "./syscalls.ts"
import type { Change } from "./documents.ts"
import { Transaction } from "./transaction.ts"
import { mismatch } from "./validators.ts"
import { checkPassable, fromJson } from "./values.ts"

/** What all functions of one request share. */
export interface Execution {
  readonly identity: Identity | null
  readonly console: Console
  readonly determinism: Determinism
  readonly page: { readonly previous: string | null; journal: string | null }
}

/** One run of a function. */
export interface Invocation {
  readonly function: ConvexFunction
  readonly execution: Execution
  readonly stopwatch: Stopwatch
  /** Once set, the function can do nothing any more, even if it was stopped and does not know. */
  ended: boolean
}

export interface EngineOptions {
  readonly store: Store
  readonly catalog: Catalog
  readonly functions: Functions
  readonly userTimeLimit: number
  readonly fileUrls: FileUrls
  readonly pulse: Pulse
  /** The index of the jobs: who runs them wants to know when it changes. */
  readonly jobsIndex: number
  readonly onCommit: () => void
}

/** Mutations that run for longer than this do not wait for further ones on their way to the disk. */
const TOGETHER_MILLIS = 10

export class Engine {
  readonly catalog: Catalog
  readonly cursors: Cursors
  readonly fileUrls: FileUrls
  readonly pulse: Pulse
  /** Milliseconds of its own time that a query or mutation may take. */
  readonly userTimeLimit: number
  readonly readSets = new ReadSets()
  functions: Functions
  readonly #store: Store
  readonly #jobsIndex: number
  readonly #committed: () => void
  #outdated: ReadonlyArray<number> = []
  #jobs = false

  constructor(options: EngineOptions) {
    this.catalog = options.catalog
    this.cursors = new Cursors(options.store.secret("cursors"))
    this.fileUrls = options.fileUrls
    this.functions = options.functions
    this.pulse = options.pulse
    this.#store = options.store
    this.userTimeLimit = options.userTimeLimit
    this.#jobsIndex = options.jobsIndex
    this.#committed = options.onCommit
  }

  /** What was committed since this was asked last. */
  takeCommit(): Commit {
    const commit = { jobs: this.#jobs, outdated: this.#outdated, ts: this.#store.ts }
    this.#outdated = []
    this.#jobs = false
    return commit
  }

  /** Finds a function as a caller may; a function that is not for this caller is as good as missing. */
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

  /** Whoever may call it; the path is canonical. */
  lookup(path: string): ConvexFunction | undefined {
    return this.functions.byPath.get(path)
  }

  async query(call: Call): Promise<Run> {
    const { outcome, logLines } = await this.#read(call, null)
    return { logLines, outcome }
  }

  /**
   * Queries whose results are watched, one after the other, until their results are large together: at least the first. A
   * failure depends on what was read as a result does.
   */
  async watch(requests: ReadonlyArray<WatchRequest>): Promise<ReadonlyArray<WatchedRun>> {
    const runs: Array<WatchedRun> = []
    let bytes = 0
    for (const { call, id, journal } of requests) {
      const { reads, ...run } = await this.#read(call, journal)
      this.readSets.set(id, reads)
      runs.push(run)
      bytes += resultBytes(run)
      if (bytes > limits.watchedBytes) break
    }
    return runs
  }

  async #read(call: Call, previous: string | null) {
    const transaction = new Transaction(this.#store, this.catalog, "read")
    const execution = executionOf(call.identity, previous)
    const run = await this.#run(execution, () =>
      this.invoke(this.find(call, "query"), call.args, execution, transaction)
    )
    transaction.rollback()
    // A failed one starts over, as in Convex: its journal may be why it failed.
    const journal = "failure" in run.outcome ? null : (execution.page.journal ?? previous)
    return { ...run, journal, reads: transaction.reads }
  }

  /**
   * One after the other, each in a transaction of its own; they become durable together. At least the first, and more
   * only while nobody has to wait long for the answer to it.
   */
  async mutations(requests: ReadonlyArray<MutationRequest>): Promise<ReadonlyArray<MutationRun>> {
    const runs: Array<MutationRun> = []
    const began = performance.now()
    for (const request of requests) {
      runs.push(await this.#mutation(request))
      if (performance.now() - began > TOGETHER_MILLIS) break
    }
    return runs
  }

  /** With the key of a client at most once, however often it is sent. */
  async #mutation({ call, key }: MutationRequest): Promise<MutationRun> {
    const known = key === null ? null : this.answer({ call, key })
    if (known !== null) return known
    const execution = executionOf(call.identity)
    let ts = 0n
    const run = await this.#run(execution, () =>
      this.write(async (transaction) => {
        ts = transaction.ts
        const result = await this.invoke(this.find(call, "mutation"), call.args, execution, transaction)
        const json = transaction.withCommitTs(result)
        if (key !== null) transaction.putAnswer({ call, key }, json)
        return json
      })
    )
    return { ...run, ts }
  }

  /** What a mutation answered when it was committed, if it was; a refusal for another call under its key. */
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

  /** All of `work` is committed, or none of it. */
  write<A>(work: (transaction: Transaction) => A | Promise<A>): Promise<A> {
    return this.#write(new Transaction(this.#store, this.catalog, "write"), work)
  }

  /** For what the deployment does itself with a whole table. */
  writeUnlimited<A>(work: (transaction: Transaction) => A | Promise<A>): Promise<A> {
    return this.#write(new Transaction(this.#store, this.catalog, "write", true), work)
  }

  async #write<A>(transaction: Transaction, work: (transaction: Transaction) => A | Promise<A>): Promise<A> {
    try {
      const result = await work(transaction)
      if (this.pulse.outside(() => transaction.commit())) this.#onCommit(transaction.changes)
      return result
    } catch (cause) {
      this.pulse.outside(() => transaction.rollback())
      throw cause
    }
  }

  #onCommit(changes: ReadonlyArray<Change>): void {
    this.#outdated = [...this.#outdated, ...this.readSets.take(changes)]
    this.#jobs ||= changes.some((change) => change.indexId === this.#jobsIndex)
    this.#committed()
  }

  /** Runs a query or mutation in a transaction that its caller ends. */
  async invoke(
    found: ConvexFunction,
    args: JSONValue,
    execution: Execution,
    transaction: Transaction
  ): Promise<string> {
    const json = this.checkArguments(found, args)
    const stopwatch = new Stopwatch(this.userTimeLimit)
    const invocation: Invocation = { ended: false, execution, function: found, stopwatch }
    try {
      const frame = transactionFrame(this, transaction, invocation)
      this.pulse.enter()
      const work = inFrame(frame, () => found.invoke(`[${json}]`))
      const result = await stopwatch.limit(work, () => timedOut(this.userTimeLimit))
      this.pulse.outside(() => this.checkResult(found, result))
      return result
    } finally {
      // Not left until the answer is on its way: what the function left behind may hold the thread before that.
      this.pulse.enter()
      invocation.ended = true
    }
  }

  /** Gives them as JSON. */
  checkArguments(found: ConvexFunction, args: JSONValue): string {
    const json = JSON.stringify(args)
    const size = Buffer.byteLength(json)
    if (size > limits.argumentBytes) {
      throw new FunctionFailure(
        `Function ${found.path} arguments size is too large (actual: ${size} bytes, limit: ${limits.argumentBytes} bytes)`
      )
    }
    const reason = mismatch(found.args, argumentOf(found, args), this.catalog.isId)
    if (reason !== null) throw new FunctionFailure(`ArgumentValidationError: ${reason}`)
    return json
  }

  checkResult(found: ConvexFunction, json: string): void {
    const size = Buffer.byteLength(json)
    if (size > limits.returnBytes) {
      throw new FunctionFailure(
        `Function ${found.path} return value is too large (actual: ${size} bytes, limit: ${limits.returnBytes} bytes)`
      )
    }
    const levels = nestingOf(json)
    if (levels > limits.nesting) {
      const why = tooNested("Value", levels, limits.nesting)
      throw new FunctionFailure(`Function ${found.path} return value invalid: ${why}`)
    }
    if (found.returns === null) return
    const reason = mismatch(found.returns, fromJson(JSON.parse(json) as JSONValue), this.catalog.isId)
    if (reason !== null) throw new FunctionFailure(`ReturnsValidationError: ${reason}`)
  }
}

export const executionOf = (identity: Identity | null, previous: string | null = null): Execution => ({
  console: new Console(),
  determinism: new Determinism(),
  identity,
  page: { journal: null, previous }
})

const argumentOf = (found: ConvexFunction, args: JSONValue): Value | undefined => {
  try {
    const argument = fromJson(args)
    checkPassable([argument])
    return argument
  } catch (cause) {
    throw new FunctionFailure(`Invalid arguments for ${found.path}: ${messageOf(cause)}`)
  }
}

const otherRequest = ({ requestId }: RequestKey): FunctionFailure =>
  new FunctionFailure(
    `Request ${requestId} of this session was another one: by another identity, of another function or with other arguments. ` +
      "This one was not run. Send it under a new request id."
  )

const title = (word: string) => word[0]!.toUpperCase() + word.slice(1)

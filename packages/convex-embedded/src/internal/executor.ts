/**
 * Runs functions.
 *
 * Queries and mutations run one at a time, in the order in which they arrive: that is what makes them serializable.
 * Actions run beside them, and their queries and mutations take their turns like those of clients.
 */
import type { JSONValue } from "convex/values"
import type { Identity } from "./auth.ts"
import type { Catalog } from "./catalog.ts"
import { FunctionFailure, missingFunction } from "./errors.ts"
import type { FileUrls } from "./files.ts"
import { canonicalPath, type ConvexFunction, type FunctionKind, type Functions } from "./functions.ts"
import { limits } from "./limits.ts"
import { inFrame } from "./runtime.ts"
import { Stopwatch } from "./stopwatch.ts"
import type { Store } from "./store.ts"
import { actionFrame, transactionFrame } from "./syscalls.ts"
import { type Change, type KeyRange, Transaction } from "./transaction.ts"
import { mismatch } from "./validators.ts"
import { fromJson } from "./values.ts"

/** A call of a function. Clients reach public functions only. */
export interface Call {
  readonly path: string
  readonly args: JSONValue
  readonly identity: Identity | null
  readonly caller: "client" | "function"
}

/** The client's name for a mutation: the same one twice is the same mutation. */
export interface RequestKey {
  readonly sessionId: string
  readonly requestId: number
}

export interface QueryRun {
  readonly outcome: { readonly json: string } | { readonly failure: unknown }
  /** What the outcome depends on. */
  readonly reads: ReadonlyArray<KeyRange>
  readonly journal: string | null
}

export interface MutationResult {
  readonly json: string
  readonly ts: bigint
}

/** One run of a function, with what it leaves behind beside its result. */
export interface Invocation {
  readonly function: ConvexFunction
  readonly identity: Identity | null
  readonly stopwatch: Stopwatch
  readonly page: { readonly previous: string | null; journal: string | null }
  /** Once set, the function can do nothing any more, even if it was stopped and does not know. */
  ended: boolean
}

export interface ExecutorOptions {
  readonly store: Store
  readonly catalog: Catalog
  readonly functions: () => Functions
  /** Milliseconds of its own time that a query or mutation may take. */
  readonly userTimeLimit: number
  readonly fileUrls: FileUrls
  /** Hears of every commit before anything else runs. */
  readonly onCommit: (changes: ReadonlyArray<Change>) => void
}

export class Executor {
  readonly #options: ExecutorOptions
  #tail: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(options: ExecutorOptions) {
    this.#options = options
  }

  get fileUrls(): FileUrls {
    return this.#options.fileUrls
  }

  /** The time of the last commit. */
  get ts(): bigint {
    return this.#options.store.ts
  }

  /** Runs `job` when everything that came before has ended, and lets nothing else run meanwhile. */
  exclusive<A>(job: () => Promise<A>): Promise<A> {
    const turn = this.#tail.then(() => {
      if (this.#closed) throw new Error("The deployment is closed.")
      return job()
    })
    this.#tail = turn.catch(() => undefined)
    return turn
  }

  /** Lets what runs come to its end; nothing starts any more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
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
    return this.#options.functions().byPath.get(path)
  }

  async query(call: Call): Promise<string> {
    const { outcome } = await this.exclusive(() => this.runQuery(call, null))
    if ("failure" in outcome) throw outcome.failure
    return outcome.json
  }

  /** Only inside of `exclusive`. Never fails: a failure depends on what was read as a result does. */
  async runQuery(call: Call, journal: string | null): Promise<QueryRun> {
    const transaction = this.#transaction("read")
    const page = { journal: null as string | null, previous: journal }
    const run = async (): Promise<QueryRun["outcome"]> => {
      try {
        return { json: await this.invoke(this.find(call, "query"), call, transaction, page) }
      } catch (failure) {
        return { failure }
      }
    }
    const outcome = await run()
    transaction.rollback()
    return { journal: page.journal ?? journal, outcome, reads: transaction.reads }
  }

  /** Runs a mutation; with the `request` of a client at most once, however often it is sent. */
  mutation(call: Call, request: RequestKey | null): Promise<MutationResult> {
    return this.exclusive(async () => {
      const known = request === null ? null : this.#options.store.answer(request.sessionId, request.requestId)
      if (known !== null) return { json: known.result, ts: known.ts }
      return this.write(async (transaction) => {
        const json = await this.invoke(this.find(call, "mutation"), call, transaction)
        if (request !== null) transaction.putAnswer(request.sessionId, request.requestId, json)
        return { json, ts: transaction.ts }
      })
    })
  }

  /** A transaction of its own for `work`, in its turn. */
  transact<A>(work: (transaction: Transaction) => A): Promise<A> {
    return this.exclusive(() => this.write(async (transaction) => work(transaction)))
  }

  /** Only inside of `exclusive`. All of `work` is committed, or none of it. */
  async write<A>(work: (transaction: Transaction) => Promise<A>): Promise<A> {
    const transaction = this.#transaction("write")
    try {
      const result = await work(transaction)
      if (transaction.commit()) this.#options.onCommit(transaction.changes)
      return result
    } catch (cause) {
      transaction.rollback()
      throw cause
    }
  }

  async action(call: Call): Promise<string> {
    const found = this.find(call, "action")
    this.#checkArguments(found, call.args)
    const frame = actionFrame(this, found, call.identity)
    const work = inFrame(frame, () => found.invoke(JSON.stringify([call.args])))
    const json = await new Stopwatch().limit(limits.actionMillis, work, () => timedOut(limits.actionMillis))
    this.#checkResult(found, json)
    return json
  }

  /** Runs a query or mutation in a transaction that its caller ends. */
  async invoke(
    found: ConvexFunction,
    { args, identity }: Pick<Call, "args" | "identity">,
    transaction: Transaction,
    page: Invocation["page"] = { journal: null, previous: null }
  ): Promise<string> {
    this.#checkArguments(found, args)
    const stopwatch = new Stopwatch()
    const invocation: Invocation = { ended: false, function: found, identity, page, stopwatch }
    const { userTimeLimit } = this.#options
    try {
      const frame = transactionFrame(this, transaction, invocation)
      const work = inFrame(frame, () => found.invoke(JSON.stringify([args])))
      const json = await stopwatch.limit(userTimeLimit, work, () => timedOut(userTimeLimit))
      this.#checkResult(found, json)
      return json
    } finally {
      invocation.ended = true
    }
  }

  #transaction(mode: "read" | "write"): Transaction {
    return new Transaction(this.#options.store, this.#options.catalog, mode)
  }

  #checkArguments(found: ConvexFunction, args: JSONValue): void {
    const reason = mismatch(found.args, fromJson(args), this.#options.catalog.isId)
    if (reason !== null) throw new FunctionFailure(`ArgumentValidationError: ${reason}`)
  }

  #checkResult(found: ConvexFunction, json: string): void {
    const size = Buffer.byteLength(json)
    if (size > limits.returnBytes) {
      throw new FunctionFailure(
        `Function ${found.path} return value is too large (actual: ${size} bytes, limit: ${limits.returnBytes} bytes)`
      )
    }
    if (found.returns === null) return
    const reason = mismatch(found.returns, fromJson(JSON.parse(json) as JSONValue), this.#options.catalog.isId)
    if (reason !== null) throw new FunctionFailure(`ReturnsValidationError: ${reason}`)
  }
}

const title = (word: string) => word[0]!.toUpperCase() + word.slice(1)

const timedOut = (milliseconds: number) =>
  new FunctionFailure(`Function execution timed out (maximum duration: ${milliseconds / 1000}s)`)

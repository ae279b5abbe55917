/** One run of a function, and the services of the engine that it uses. */
import type { JSONValue } from "convex/values"
import type { ConvexFunction, FunctionKind } from "../functions/functions.ts"
import { Console, Determinism } from "../functions/runtime.ts"
import type { Stopwatch } from "../functions/stopwatch.ts"
import type { Cursors } from "../query/cursors.ts"
import type { Transaction } from "../query/transaction.ts"
import type { Call } from "../values/calls.ts"
import type { Identity } from "../values/identity.ts"
import type { FileUrls } from "./file-urls.ts"
import type { WatchdogState } from "./watchdog-state.ts"

/** Shared by all functions of one request. */
export interface Execution {
  readonly identity: Identity | null
  readonly console: Console
  readonly determinism: Determinism
  readonly page: { readonly previous: string | null; journal: string | null }
}

export interface Invocation {
  readonly function: ConvexFunction
  readonly execution: Execution
  readonly stopwatch: Stopwatch
  /** Once set, every call of the function's `ctx` fails: its code may still run after a timeout. */
  ended: boolean
}

/** The part of the engine that functions use through their `ctx`. */
export interface FunctionHost {
  readonly cursors: Cursors
  readonly fileUrls: FileUrls
  readonly watchdog: WatchdogState
  /** Milliseconds that the own code of a query or mutation may take. */
  readonly userTimeLimit: number
  readonly find: (call: Pick<Call, "caller" | "path">, kind: FunctionKind) => ConvexFunction
  readonly lookup: (path: string) => ConvexFunction | undefined
  readonly invoke: (
    found: ConvexFunction,
    args: JSONValue,
    execution: Execution,
    transaction: Transaction
  ) => Promise<string>
}

export const executionOf = (identity: Identity | null, previous: string | null = null): Execution => ({
  console: new Console(),
  determinism: new Determinism(),
  identity,
  page: { journal: null, previous }
})

/** Calls of functions and their results, in a form that crosses between threads. */
import type { JSONValue } from "convex/values"
import type { Identity } from "./identity.ts"
import { type FailureJson, revive } from "./errors.ts"

/** Clients can call public functions only; functions, and clients with the admin key, can call all. */
export interface Caller {
  readonly identity: Identity | null
  readonly caller: "client" | "function"
}

export const ANONYMOUS: Caller = { caller: "client", identity: null }

export interface Call extends Caller {
  readonly path: string
  readonly args: JSONValue
}

/** The client's identifier of a mutation: the idempotency key. */
export interface RequestKey {
  readonly sessionId: string
  readonly requestId: number
}

/** A mutation that its client may resend. */
export interface ClientMutation {
  readonly call: Call
  readonly key: RequestKey
}

/** Without a key it must not be sent twice. */
export interface MutationRequest {
  readonly call: Call
  readonly key: RequestKey | null
}

/** The outcome of a function, and its console output. */
export interface Run {
  readonly outcome: { readonly json: string } | { readonly failure: FailureJson }
  readonly logLines: ReadonlyArray<string>
  /** The processor time of a query, in milliseconds. */
  readonly millis?: number
}

export interface MutationRun extends Run {
  readonly ts: bigint
}

/** A query whose result is watched. */
export interface WatchRequest {
  readonly call: Call
  readonly journal: string | null
  /** The number of the result; its read set is stored under it. */
  readonly id: number
}

export interface WatchedRun extends Run {
  readonly journal: string | null
  /** Its thread was terminated: its dependencies are unknown, and it must not be rerun immediately. */
  readonly isHung?: boolean
}

/** The keys in `[low, high)` of an index, which a query has read. */
export interface ReadRange {
  readonly index: { readonly id: number }
  readonly low: Uint8Array
  readonly high: Uint8Array
}

/** An index key that a commit changed. */
export interface ChangedKey {
  readonly indexId: number
  readonly key: Uint8Array
}

/** Queries that were run in one snapshot, in order: the first ones, at least one. */
export interface Snapshot {
  /** The time of the last commit that they saw. */
  readonly ts: bigint
  readonly runs: ReadonlyArray<WatchedRun>
  readonly reads: ReadonlyArray<ReadonlyArray<ReadRange>>
}

/** The effects of a commit. */
export interface Commit {
  /** The time of the last commit. */
  readonly ts: bigint
  /** Numbers of the results that must be computed again. */
  readonly invalidated: ReadonlyArray<number>
  /** Whether scheduled functions changed. */
  readonly jobs: boolean
  /** The changed keys, if there are readers; `null` if there are too many. */
  readonly changes: ReadonlyArray<ChangedKey> | null
  /** Whether readers have to pause, so that the write-ahead log can be truncated. */
  readonly isLogLong: boolean
}

/** The result as JSON text; throws the failure of the function. */
export const resultOf = ({ outcome }: Run): string => {
  if ("failure" in outcome) throw revive(outcome.failure)
  return outcome.json
}

/** Where a sweep continues: key values of the last row that it visited. `null` stands for the start and the end. */
export type SweepPosition = ReadonlyArray<string | number>

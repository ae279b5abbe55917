/** What is asked of the functions, and what comes back, in a form that crosses between threads. */
import type { JSONValue } from "convex/values"
import type { Identity } from "./auth.ts"
import { type FailureJson, revive } from "./errors.ts"

/** A call of a function. Clients reach public functions only; an administrator reaches all. */
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

/** A mutation that its client may send again. */
export interface ClientMutation {
  readonly call: Call
  readonly key: RequestKey
}

/** Without a key it must not be given twice. */
export interface MutationRequest {
  readonly call: Call
  readonly key: RequestKey | null
}

/** How a function ended, and what it wrote to its console. */
export interface Run {
  readonly outcome: { readonly json: string } | { readonly failure: FailureJson }
  readonly logLines: ReadonlyArray<string>
}

export interface MutationRun extends Run {
  readonly ts: bigint
}

/** A query whose result somebody watches. */
export interface WatchRequest {
  readonly call: Call
  readonly journal: string | null
  /** The number of the result: what it depends on is kept under it. */
  readonly id: number
}

export interface WatchedRun extends Run {
  readonly journal: string | null
  /** It held its thread until that was ended: what it depends on is not known, and it must not run again at once. */
  readonly isStuck?: boolean
}

/** What a commit means to those who watch. */
export interface Commit {
  /** The time of the last commit. */
  readonly ts: bigint
  /** The results that are outdated. */
  readonly outdated: ReadonlyArray<number>
  /** Whether scheduled functions changed. */
  readonly jobs: boolean
}

/** The result as JSON; fails as the function did. */
export const resultOf = ({ outcome }: Run): string => {
  if ("failure" in outcome) throw revive(outcome.failure)
  return outcome.json
}

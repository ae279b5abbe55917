/** The one error of this package, with a tagged `reason`. */
import * as Data from "effect/Data"
import type { ConvexClientReason } from "./ConvexClientReason.ts"

/** A call, a subscription or a connection failed. Match on `reason`, which says how to recover. */
export class ConvexClientError extends Data.TaggedError("ConvexClientError")<{
  /** The function as `module:function`, or `connect`. */
  readonly operation: string
  readonly reason: ConvexClientReason
}> {
  override get message() {
    return `${this.operation}: ${this.reason.message}`
  }
}

export const isConvexClientError = <E>(error: E): error is E & ConvexClientError => error instanceof ConvexClientError

/** Whether the same call may succeed later. Its outcome is unknown: retry only an idempotent call. */
export const isTransient = (error: ConvexClientError): boolean =>
  error.reason._tag === "Unreachable" || error.reason._tag === "Timeout"

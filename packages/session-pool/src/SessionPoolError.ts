import * as Data from "effect/Data"
import type { SessionPoolReason } from "./SessionPoolReason.ts"

/**
 * The error of this package. Match on its `reason`, for example with
 * `Effect.catchReason("SessionPoolError", "TooManyWaiting", () => …)`.
 */
export class SessionPoolError extends Data.TaggedError("SessionPoolError")<{ readonly reason: SessionPoolReason }> {
  // A field, so that JSON and `console.log` show it.
  override readonly message = this.reason.message
  override get cause() {
    return this.reason.cause
  }
}

export const isSessionPoolError = (error: unknown): error is SessionPoolError => error instanceof SessionPoolError

import * as Data from "effect/Data"
import type { HostErrorReason } from "./HostErrorReason.ts"

/**
 * The error of this package. Match on its `reason`, for example with
 * `Effect.catchReason("HostError", "NotFound", () => …)`. Each reason documents its recovery. `message` is one sentence
 * without secrets.
 */
export class HostError extends Data.TaggedError("HostError")<{ readonly reason: HostErrorReason }> {
  // A field, so that JSON and `console.log` show it.
  override readonly message = this.reason.message
}

export const isHostError = (error: unknown): error is HostError => error instanceof HostError

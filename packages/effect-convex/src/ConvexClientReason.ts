/** The reasons of a `ConvexClientError`. Each comment says how to recover. */
import * as Data from "effect/Data"

const duration = (millis: number): string => (millis < 1000 ? `${millis} ms` : `${millis / 1000} s`)

/** The URL cannot be used. Recovery: correct the URL. */
export class InvalidUrl extends Data.TaggedError("InvalidUrl")<{
  /** The mistake in the URL. The URL itself is not repeated, because it may contain a password. */
  readonly problem: string
}> {
  override get message() {
    return `The deployment's URL ${this.problem}. A valid URL looks like https://happy-otter-123.convex.cloud or http://127.0.0.1:3210.`
  }
}

/**
 * The client was not connected when the time limit passed. It continues to reconnect. Recovery: call again. A mutation may
 * still run when the connection returns, so give it an idempotency key.
 */
export class Unreachable extends Data.TaggedError("Unreachable")<{ readonly millis: number }> {
  override get message() {
    return `The deployment was not reachable for ${duration(this.millis)}. Check the URL and the network; the client keeps reconnecting.`
  }
}

/** The deployment was connected and did not respond within the time limit. Recovery: as for `Unreachable`. */
export class Timeout extends Data.TaggedError("Timeout")<{ readonly millis: number }> {
  override get message() {
    return `The deployment did not respond within ${duration(this.millis)}. The call may still be executed.`
  }
}

/** The function threw a `ConvexError`, so nothing was written. Recovery: as the code says. */
export class Rejected extends Data.TaggedError("Rejected")<{
  /** `data.code`, or `ConvexError` if the data has no code. */
  readonly code: string
  /** `data.message`, or the text of the error if the data has no message. */
  readonly message: string
  /** `ConvexError.data`, unchanged. */
  readonly data: unknown
}> {}

/** The function threw another error, or the deployment refused its arguments. Recovery: none by retrying; read `message`. */
export class FunctionFailed extends Data.TaggedError("FunctionFailed")<{
  /** The text of the deployment. The value of an argument named `secret` is redacted. */
  readonly message: string
}> {}

/** The client was closed. Recovery: create another client. */
export class Closed extends Data.TaggedError("Closed")<{}> {
  override get message() {
    return "The client is closed."
  }
}

export type ConvexClientReason = InvalidUrl | Unreachable | Timeout | Rejected | FunctionFailed | Closed

/** Retries of calls that had no response. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type ConvexClientError, isTransient } from "./ConvexClientError.ts"

/** The delay between attempts. Each attempt also has its own time limit. */
const schedule = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/**
 * Retries a call until the deployment responds, without a limit. Use it only for calls that may run twice: queries, and
 * mutations with an idempotency key.
 *
 * Transaction conflicts and an overloaded deployment need no retry here: the deployment then closes the connection, and
 * the client resends all calls without a response.
 */
export const retryTransient = <A, R>(
  call: Effect.Effect<A, ConvexClientError, R>
): Effect.Effect<A, ConvexClientError, R> => Effect.retry(call, { schedule, while: isTransient })

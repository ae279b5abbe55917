/**
 * Waiting for a deployment that is away.
 *
 * @since 0.1.0
 */
import { Effect, Schedule } from "effect"
import { type ConvexSyncError, isTransient } from "./ConvexSyncError.ts"

/** Every attempt waits for its own time limit, too. */
const schedule = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/**
 * Repeats a call until the deployment has said yes or no, however long that takes. Only for calls that may be carried out
 * twice, such as a query, or a mutation with an idempotency key: what ran into its limit may have been carried out.
 *
 * A conflict of transactions and an overloaded deployment need no repetition: a deployment tells of them by closing the
 * connection, and the client sends what was unanswered again.
 *
 * @category combinators
 * @since 0.1.0
 */
export const retryTransient = <A, R>(
  call: Effect.Effect<A, ConvexSyncError, R>
): Effect.Effect<A, ConvexSyncError, R> => Effect.retry(call, { schedule, while: isTransient })

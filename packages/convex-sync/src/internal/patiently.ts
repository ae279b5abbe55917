/** Waiting for a deployment that is away. */
import { Effect, Schedule } from "effect"
import { type ConvexSyncError, isTransient } from "../ConvexSyncError.ts"

/** Every attempt waits for its own time limit, too. */
const schedule = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

/** Repeats what may be repeated until the deployment has said yes or no. */
export const patiently = <A, R>(call: Effect.Effect<A, ConvexSyncError, R>): Effect.Effect<A, ConvexSyncError, R> =>
  Effect.retry(call, { schedule, while: isTransient })

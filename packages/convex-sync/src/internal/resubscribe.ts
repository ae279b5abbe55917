/** Subscriptions that outlast a failure of their query. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { type ConvexSyncError, isLoss } from "../ConvexSyncError.ts"

/** Errors that a new subscription would have, too. */
const isFinal = (error: ConvexSyncError): boolean =>
  isLoss(error) ||
  error.reason._tag === "Closed" ||
  (error.reason._tag === "Rejected" && error.reason.code === "NotFound")

/** Delay before a failed subscription is restarted. */
const retryPolicy = Schedule.spaced("5 seconds").pipe(
  Schedule.setInputType<ConvexSyncError>(),
  Schedule.while(({ input }) => !isFinal(input))
)

/** Subscribes again whenever the query fails, until the lease is lost, the worker gone, or the connection closed. */
export const resubscribe = <A, R>(subscription: Stream.Stream<A, ConvexSyncError, R>) =>
  subscription.pipe(
    Stream.tapError((error) =>
      isFinal(error) ? Effect.void : Effect.logWarning("A subscription failed and is restarted", error.message)
    ),
    Stream.retry(retryPolicy)
  )

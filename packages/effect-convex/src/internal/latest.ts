/** A queue that holds the latest value only. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** `fill` offers values, and ends or fails the queue, for the lifetime of the scope. */
export const latest = Effect.fnUntraced(function* <A, E>(
  fill: (queue: Queue.Enqueue<A, E>) => Effect.Effect<void, Exclude<E, Cause.Done>, Scope.Scope>
) {
  const queue = yield* Queue.sliding<A, E>(1)
  yield* fill(queue)
  return queue
})

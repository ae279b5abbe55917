/** Publishes a value to the deployment when its hash differs from the published one. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { retryTransient } from "@opencode-worker/effect-convex"
import type { ConvexSyncError } from "../ConvexSyncError.ts"

/** The deployment's side of a published value. */
export interface PublishedStore<A> {
  /** The hash of the published value; null: none is published. */
  readonly published: Effect.Effect<string | null, ConvexSyncError>
  /** May be repeated. */
  readonly publish: (value: A) => Effect.Effect<unknown, ConvexSyncError>
}

/** Until the stream or the lease ends. A refusal is logged, and the next value is tried. `what`: the value in that message. */
export const publishChanges = Effect.fnUntraced(function* <A extends { readonly hash: string }, E, R>(
  what: string,
  store: PublishedStore<A>,
  values: Stream.Stream<A, E, R>
) {
  let known = yield* retryTransient(store.published)
  const publish = Effect.fnUntraced(function* (value: A) {
    if (value.hash === known) return
    yield* retryTransient(store.publish(value))
    known = value.hash
  })
  yield* Stream.runForEach(values, (value) =>
    publish(value).pipe(Effect.catch((error) => Effect.logWarning(`The ${what} could not be published`, error.message)))
  )
})

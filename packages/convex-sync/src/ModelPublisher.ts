/** Shows operators the models that a worker offers, at the cost of a write only when they changed. */
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { publishChanges, type PublishedStore } from "./internal/publishChanges.ts"
import { Lease } from "./Lease.ts"

export interface PublishedModels {
  /** Hash of the content. */
  readonly hash: string
  /** Any JSON value of up to 3,000,000 characters. */
  readonly models: unknown
  /** `provider/model`; undefined: there is none. */
  readonly default: string | undefined
}

/** The deployment's side of the model list. */
export interface ModelStore {
  /** The hash of the published models; null: none are published. */
  readonly published: Effect.Effect<string | null, ConvexSyncError>
  /** May be repeated. */
  readonly publish: (catalog: {
    readonly hash: string
    readonly models: string
    readonly default: string | null
  }) => Effect.Effect<unknown, ConvexSyncError>
}

/**
 * Publishes each catalogue whose hash differs from the published one, until the stream or the lease ends. If the deployment
 * refuses a catalogue, the refusal is logged and the next catalogue is tried.
 */
export const publishTo = Effect.fn("ModelPublisher.publish")(function* <E, R>(
  port: ModelStore,
  catalogs: Stream.Stream<PublishedModels, E, R>
) {
  const store: PublishedStore<PublishedModels> = {
    published: port.published,
    publish: ({ default: chosen, hash, models }) =>
      port.publish({ hash, models: JSON.stringify(models), default: chosen ?? null })
  }
  yield* publishChanges("models", store, catalogs)
})

/** The store over a lease. */
export const storeOf = (lease: Lease["Service"]): ModelStore => ({
  published: lease.query(api.models.published, {}),
  publish: (catalog) => lease.mutation(api.models.publish, catalog)
})

/** As `publishTo`, under the lease. */
export const publish = <E, R>(
  catalogs: Stream.Stream<PublishedModels, E, R>
): Effect.Effect<void, ConvexSyncError | E, R | Lease> =>
  Effect.flatMap(Lease, (lease) => publishTo(storeOf(lease), catalogs))

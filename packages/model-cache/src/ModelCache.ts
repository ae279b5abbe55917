/** The list of models that an agent can use, for any number of callers: `SwrCache` over a catalogue. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { parseCatalog } from "./internal/parse.ts"
import type { Entry, Store } from "./internal/store.ts"
import { ModelCacheError } from "./ModelCacheError.ts"
import { FetchFailed, FetchTimedOut } from "./ModelCacheReason.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import * as SwrCache from "./SwrCache.ts"

export interface ModelCacheOptions<E = unknown, R = never> {
  /** Fetches the whole list once. */
  readonly fetch: Effect.Effect<ModelCatalog.ModelCatalog, E, R>
  /** How long a list is served without a fetch. Default: 5 minutes. */
  readonly freshFor?: Duration.Input | undefined
  /** How long one fetch may take. Default: 30 seconds. */
  readonly timeout?: Duration.Input | undefined
  /** When to retry after a failed fetch. Default: after about 1, 2, 4, … 60, 60 seconds, without end. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
}

/** A catalogue with its content hash and the time of its fetch. */
export interface ModelSnapshot extends ModelCatalog.ModelCatalog {
  /** SHA-256 (hex) of the content. */
  readonly hash: string
  /** Milliseconds since 1970. */
  readonly fetchedAt: number
}

/**
 * Callers share one fetch, and none waits for a list that is only old.
 *
 * @example
 * ```ts
 * const models = ModelCache.layer({ fetch: listModels, freshFor: "5 minutes" })
 * const program = ModelCache.use((cache) => cache.resolve("anthropic/claude-5"))
 * ```
 */
export class ModelCache extends Context.Service<
  ModelCache,
  {
    /** The list. Fails (`FetchFailed`, `FetchTimedOut`) only while there was never one. */
    readonly get: Effect.Effect<ModelSnapshot, ModelCacheError>
    /** Waits for a fetch, joining one that runs. Fails if the fetch fails; the last list stays. */
    readonly refresh: Effect.Effect<ModelSnapshot, ModelCacheError>
    /** Marks the list as wrong (after a login or a configuration change): the next `get` waits for a fetch. */
    readonly invalidate: Effect.Effect<void>
    /**
     * The model with this id, or the default one. Fails like `get`, and with `UnknownModel` or `NoDefaultModel`, but only
     * according to a fresh list while the fetch succeeds.
     */
    readonly resolve: (id?: string) => Effect.Effect<ModelCatalog.Model, ModelCacheError>
    /** Receives the current list, if there is one, then each list with another hash. Ends with the cache. */
    readonly subscribe: Effect.Effect<PubSub.Subscription<ModelSnapshot>, never, Scope.Scope>
    readonly stats: Effect.Effect<SwrCache.Stats>
  }
>()("@opencode-worker/model-cache/ModelCache") {
  /** Keeps the list in memory. `@opencode-worker/model-cache/persisted` keeps it on disk. */
  static readonly layer = <E, R>(options: ModelCacheOptions<E, R>): Layer.Layer<ModelCache, never, R> =>
    Layer.effect(ModelCache, make(options))
}

/** The service, with an optional store that keeps the last list. */
export const make = Effect.fnUntraced(function* <E, R>(
  options: ModelCacheOptions<E, R>,
  store?: Store
): Effect.fn.Return<ModelCache["Service"], never, R | Scope.Scope> {
  const timeout = options.timeout ?? "30 seconds"
  const lookup = Effect.gen(function* () {
    const fetched = yield* Effect.catchDefect(options.fetch, Effect.fail)
    const catalog = yield* Effect.fromResult(parseCatalog(fetched))
    return snapshotOf({ catalog, fetchedAt: yield* Clock.currentTimeMillis })
  }).pipe(
    Effect.mapError((cause) => new ModelCacheError({ reason: new FetchFailed({ cause }) })),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => {
        const limitMillis = Duration.toMillis(timeout)
        return Effect.fail(new ModelCacheError({ reason: new FetchTimedOut({ limitMillis }) }))
      }
    })
  )

  const stored = store && (yield* store.load)
  const cache = yield* SwrCache.make({
    lookup,
    freshFor: options.freshFor,
    retry: options.retry,
    initial: stored && { value: snapshotOf(stored), fetchedAt: stored.fetchedAt },
    onFetched:
      store &&
      (({ default: chosen, fetchedAt, models }) => store.save({ catalog: { models, default: chosen }, fetchedAt })),
    equals: (one, other) => one.hash === other.hash,
    name: "models"
  })

  const resolve = Effect.fn("ModelCache.resolve")(function* (id?: string) {
    const snapshot = yield* cache.get
    const found = ModelCatalog.resolve(snapshot, id)
    if (Result.isSuccess(found)) return found.success
    const newest = yield* Effect.orElseSucceed(cache.getFresh, () => snapshot)
    return yield* Effect.fromResult(ModelCatalog.resolve(newest, id))
  })

  const { get, invalidate, refresh, stats, subscribe } = cache
  return ModelCache.of({ get, invalidate, refresh, resolve, stats, subscribe })
})

const snapshotOf = ({ catalog, fetchedAt }: Entry): ModelSnapshot => ({
  ...catalog,
  hash: ModelCatalog.hash(catalog),
  fetchedAt
})

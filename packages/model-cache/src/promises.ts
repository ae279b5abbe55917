/**
 * The cache for `async`/`await`.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Logger, ManagedRuntime, Stream } from "effect"
import * as Store from "./internal/store.ts"
import { make, ModelCache, type Options, type Snapshot, type Stats } from "./ModelCache.ts"
import type { Model, ModelCatalog } from "./ModelCatalog.ts"
import { ModelSource } from "./ModelSource.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface ModelCacheOptions extends Options {
  /** Fetches the whole list once. `signal` aborts when it takes too long or the cache is disposed. */
  readonly fetch: (signal: AbortSignal) => PromiseLike<ModelCatalog>
  /** Keeps the last good list, as one text, so that a start needs no fetch. */
  readonly storage?: {
    /** Resolves to `undefined` when nothing was written yet. */
    readonly read: () => PromiseLike<string | undefined>
    readonly write: (text: string) => PromiseLike<unknown>
  }
}

/**
 * `ModelCache` without Effect. What rejects, rejects with `ModelCacheError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelCacheHandle extends AsyncDisposable {
  readonly get: () => Promise<Snapshot>
  readonly refresh: () => Promise<Snapshot>
  readonly invalidate: () => void
  readonly resolve: (spec?: string) => Promise<Model>
  /** The current list, if there is one, then each list with another hash; ends with the cache. */
  readonly changes: AsyncIterable<Snapshot>
  readonly stats: () => Stats
}

/**
 * Makes a cache that warns of failed fetches on standard error; `await using` ends it, and what it does in the background.
 *
 * @category constructors
 * @since 0.1.0
 */
export const modelCache = async (options: ModelCacheOptions): Promise<ModelCacheHandle> => {
  const { storage } = options
  const store =
    storage === undefined
      ? Store.none
      : Store.make(
          Effect.tryPromise(() => storage.read()),
          (text) => Effect.tryPromise(() => storage.write(text))
        )
  const source = ModelSource.layer(Effect.promise((signal) => options.fetch(signal)))
  const runtime = ManagedRuntime.make(
    Layer.effect(ModelCache, make(options, store)).pipe(
      Layer.provide(source),
      Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true))
    )
  )
  const cache = await runtime.runPromise(ModelCache)
  return {
    get: () => runtime.runPromise(cache.get),
    refresh: () => runtime.runPromise(cache.refresh),
    invalidate: () => runtime.runSync(cache.invalidate),
    resolve: (spec) => runtime.runPromise(cache.resolve(spec)),
    changes: Stream.toAsyncIterable(cache.changes),
    stats: () => runtime.runSync(cache.stats),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
}

/**
 * The cache for `async`/`await`.
 *
 * @since 0.1.0
 */
import { Effect, Layer, Logger, ManagedRuntime, Stream } from "effect"
import { makePromiseRunner } from "./internal/promiseRunner.ts"
import * as Store from "./internal/store.ts"
import { make, ModelCache, type Options, type Snapshot, type Stats } from "./ModelCache.ts"
import type { Model, ModelCatalog } from "./ModelCatalog.ts"
import { Closed, InvalidOption, ModelCacheError } from "./ModelCacheError.ts"
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
 * `ModelCache` without Effect. Promises reject with `ModelCacheError`, whose reason is `Closed` after disposal, and with
 * `signal.reason` after an abort. An abort leaves the shared fetch running for other callers.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelCacheHandle extends AsyncDisposable {
  readonly get: (options?: { readonly signal?: AbortSignal }) => Promise<Snapshot>
  readonly refresh: (options?: { readonly signal?: AbortSignal }) => Promise<Snapshot>
  readonly invalidate: () => void
  readonly resolve: (spec?: string, options?: { readonly signal?: AbortSignal }) => Promise<Model>
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
  const { fetch, storage } = options
  checkFunction("fetch", fetch)
  if (storage !== undefined) {
    checkFunction("storage.read", storage.read)
    checkFunction("storage.write", storage.write)
  }
  const store =
    storage === undefined
      ? Store.none
      : Store.make(
          Effect.tryPromise(() => storage.read()),
          (text) => Effect.tryPromise(() => storage.write(text))
        )
  const source = ModelSource.layer(Effect.promise((signal) => fetch(signal)))
  const runtime = ManagedRuntime.make(
    Layer.effect(ModelCache, make(options, store)).pipe(
      Layer.provide(source),
      Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true))
    )
  )
  const runner = makePromiseRunner(runtime, () => new ModelCacheError({ reason: new Closed() }))
  const cache = await runner.run(ModelCache)
  return {
    get: (run) => runner.run(cache.get, run),
    refresh: (run) => runner.run(cache.refresh, run),
    invalidate: () => Effect.runSync(cache.invalidate),
    resolve: (spec, run) => runner.run(cache.resolve(spec), run),
    changes: Stream.toAsyncIterable(cache.changes),
    stats: () => Effect.runSync(cache.stats),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

/** For callers whose types are not checked. */
const checkFunction = (option: string, actual: unknown): void => {
  if (typeof actual === "function") return
  throw new ModelCacheError({ reason: new InvalidOption({ option, expected: "a function", actual: String(actual) }) })
}

/** The cache for programs without Effect: promises, `AbortSignal` and `await using`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as PubSub from "effect/PubSub"
import * as References from "effect/References"
import { checkOptions } from "./internal/checkOptions.ts"
import { makePromiseRunner } from "./internal/promiseRunner.ts"
import * as Store from "./internal/store.ts"
import { make, ModelCache, type ModelSnapshot } from "./ModelCache.ts"
import { ModelCacheError } from "./ModelCacheError.ts"
import { Closed } from "./ModelCacheReason.ts"
import type { Model, ModelCatalog } from "./ModelCatalog.ts"
import type { Stats } from "./SwrCache.ts"

export type { ModelSnapshot } from "./ModelCache.ts"
export * from "./ModelCacheError.ts"
export * as ModelCacheReason from "./ModelCacheReason.ts"
export * as ModelCatalog from "./ModelCatalog.ts"

/** Durations are in milliseconds. */
export interface ModelCacheOptions {
  /** Fetches the whole list once. `signal` aborts after `timeout`, and on disposal. */
  readonly fetch: (signal: AbortSignal) => PromiseLike<ModelCatalog>
  /** How long a list is served without a fetch. Default: 300,000 (5 minutes). */
  readonly freshFor?: number
  /** How long one fetch may take. Default: 30,000. */
  readonly timeout?: number
  /** Receives the current list, if there is one, then each list with another hash. */
  readonly onChange?: (snapshot: ModelSnapshot) => void
  /** Keeps the last list, as one text, so that a start needs no fetch. */
  readonly storage?: {
    /** Resolves to `undefined` before the first write. */
    readonly read: () => PromiseLike<string | undefined>
    readonly write: (text: string) => PromiseLike<unknown>
  }
}

/**
 * Promises reject with `ModelCacheError`, whose reason is `Closed` after disposal, and with `signal.reason` after an
 * abort. An abort does not affect the fetch, which other callers share.
 */
export interface AsyncModelCache extends AsyncDisposable {
  readonly get: (options?: { readonly signal?: AbortSignal }) => Promise<ModelSnapshot>
  readonly refresh: (options?: { readonly signal?: AbortSignal }) => Promise<ModelSnapshot>
  readonly invalidate: () => void
  readonly resolve: (id?: string, options?: { readonly signal?: AbortSignal }) => Promise<Model>
  readonly stats: () => Stats
}

/**
 * Makes a cache that logs failed fetches to standard error. Disposing of it aborts its fetches. Rejects with
 * `InvalidOption` if an option is unknown, missing or of the wrong type.
 *
 * @example
 * ```ts
 * await using cache = await createModelCache({ fetch: (signal) => listModels({ signal }) })
 * const model = await cache.resolve("anthropic/claude-5")
 * ```
 */
export const createModelCache = async (options: ModelCacheOptions): Promise<AsyncModelCache> => {
  checkOptions(options)
  const { fetch, onChange, storage, ...rest } = options
  const store =
    storage &&
    Store.make(
      Effect.tryPromise(() => storage.read()),
      (text) => Effect.tryPromise(() => storage.write(text))
    )
  const made = Effect.gen(function* () {
    const cache = yield* make({ ...rest, fetch: Effect.promise((signal) => fetch(signal)) }, store)
    if (onChange) {
      const changes = yield* cache.subscribe
      const next = Effect.flatMap(PubSub.take(changes), (snapshot) => Effect.sync(() => onChange(snapshot)))
      yield* Effect.forkScoped(Effect.forever(next))
    }
    return cache
  })
  const runtime = ManagedRuntime.make(
    Layer.effect(ModelCache, made).pipe(Layer.provideMerge(Layer.succeed(References.LogToStderr, true)))
  )
  const runner = makePromiseRunner(runtime, () => new ModelCacheError({ reason: new Closed() }))
  const cache = await runner.run(ModelCache)
  return {
    get: (run) => runner.run(cache.get, run),
    refresh: (run) => runner.run(cache.refresh, run),
    invalidate: () => Effect.runSync(cache.invalidate),
    resolve: (id, run) => runner.run(cache.resolve(id), run),
    stats: () => Effect.runSync(cache.stats),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

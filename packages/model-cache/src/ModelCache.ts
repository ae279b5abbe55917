/**
 * One list of models for any number of callers.
 *
 * ```
 *   get ─┬─ fresh ───────▶ the list                                      hit
 *        ├─ stale ───────▶ the list, at once; one fetch in the background  stale hit
 *        ├─ invalidated ─▶ waits for a fetch; the old list if it fails    miss
 *        └─ none ────────▶ waits for a fetch; its error if it fails       miss
 * ```
 *
 * Invariants
 * - At most one fetch is under way in each generation; an invalidation begins a new generation.
 * - A fetch belongs to the cache, not to who asked: interrupting callers never cancels it.
 * - Once there was a list there is always one: a failed fetch removes nothing, and is retried with backoff by one
 *   background fiber until a fetch succeeds.
 * - A fetch that began before an invalidation never replaces a list fetched after it, and never counts as fresh.
 *
 * @since 0.1.0
 */
import {
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  FiberHandle,
  Latch,
  Layer,
  Option,
  Result,
  Schedule,
  Schema,
  Stream,
  SubscriptionRef
} from "effect"
import { KeyValueStore } from "effect/persistence/KeyValueStore"
import * as Counters from "./internal/counters.ts"
import { freshness } from "./internal/freshness.ts"
import * as Store from "./internal/store.ts"
import { FetchFailed, FetchTimedOut, ModelCacheError } from "./ModelCacheError.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import { ModelSource } from "./ModelSource.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How long a list is served without asking the source. Default: 5 minutes. */
  readonly freshFor?: Duration.Input
  /** How long one fetch may take. Default: 30 seconds. */
  readonly timeout?: Duration.Input
  /** When to try again after a failed fetch. Default: after about 1, 2, 4, … 60, 60 seconds, for ever. */
  readonly retry?: Schedule.Schedule<unknown>
}

/**
 * A catalogue with its content hash and the time of its fetch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot extends ModelCatalog.ModelCatalog {
  /** SHA-256 (hex) of the content. Equal hashes: nothing to publish. */
  readonly hash: string
  /** Milliseconds since 1970. */
  readonly fetchedAt: number
}

/**
 * Counts since the cache was made. `hits + staleHits + misses` is the number of completed `get`s.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Fetches begun. */
  readonly fetches: number
  /** Fetches that failed. */
  readonly failures: number
  /** Served from a fresh list. */
  readonly hits: number
  /** Served at once from a stale list. */
  readonly staleHits: number
  /** Had to wait for a fetch. */
  readonly misses: number
}

/**
 * **When to use**
 *
 * Use wherever many callers need the list of models and fetching it is slow: they share one fetch, and none waits for
 * a list that is merely old.
 *
 * @category services
 * @since 0.1.0
 */
export class ModelCache extends Context.Service<
  ModelCache,
  {
    /** The list. Fails (`FetchFailed`, `FetchTimedOut`) only when there never was one. */
    readonly get: Effect.Effect<Snapshot, ModelCacheError>
    /** Waits for a fetch, joining one under way. Fails when it fails; the last good list stays. */
    readonly refresh: Effect.Effect<Snapshot, ModelCacheError>
    /** Says that the list is wrong (after a login or a configuration change): the next `get` waits for a fetch. */
    readonly invalidate: Effect.Effect<void>
    /**
     * The model that `provider/model` names, or the default one. Fails like `get`, and with `InvalidSpec`,
     * `UnknownModel` or `NoDefaultModel`, but never on the word of a list that is not fresh while the source answers.
     */
    readonly resolve: (spec?: string) => Effect.Effect<ModelCatalog.Model, ModelCacheError>
    /** The current list, if there is one, then each list whose hash differs from the one before. Ends with the cache. */
    readonly changes: Stream.Stream<Snapshot>
    readonly stats: Effect.Effect<Stats>
  }
>()("@opencode-worker/model-cache/ModelCache") {
  /**
   * Forgets the list when it ends.
   *
   * @since 0.1.0
   */
  static readonly layer = (options: Options = {}): Layer.Layer<ModelCache, never, ModelSource> =>
    Layer.effect(ModelCache, make(options, Store.none))

  /**
   * Keeps the last good list under `key` in a `KeyValueStore`, so that a start needs no fetch. A store that fails, or
   * holds something unreadable, costs a warning and a fetch.
   *
   * @since 0.1.0
   */
  static readonly layerPersisted = (
    options: Options & { readonly key?: string } = {}
  ): Layer.Layer<ModelCache, never, ModelSource | KeyValueStore> =>
    Layer.effect(
      ModelCache,
      Effect.flatMap(KeyValueStore, (store) => {
        const key = options.key ?? "models"
        return make(
          options,
          Store.make(store.get(key), (text) => store.set(key, text))
        )
      })
    )
}

/** Whoever has no type checker learns what is wrong with the list; fields that the schema does not know are dropped. */
const decodeCatalog = Schema.decodeUnknownEffect(ModelCatalog.ModelCatalog)

/** Doubling from a second to a minute, jittered so that many caches do not retry in step. */
const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.jittered)

interface Held {
  readonly snapshot: Snapshot
  readonly generation: number
}

interface Flight {
  readonly generation: number
  readonly landed: Deferred.Deferred<Snapshot, ModelCacheError>
}

/** The service over any store; the layers and the facade choose which. */
export const make = Effect.fnUntraced(function* (options: Options, store: Store.Store) {
  const source = yield* ModelSource
  const scope = yield* Effect.scope
  const retrying = yield* FiberHandle.make()
  const closed = yield* Latch.make(false)
  yield* Effect.addFinalizer(() => closed.open)
  const timeout = Duration.fromInputUnsafe(options.timeout ?? "30 seconds")
  const freshForMillis = Duration.toMillis(options.freshFor ?? "5 minutes")
  const retry = options.retry ?? backoff

  const { count, stats } = Counters.make()
  let generation = 0
  let failedGeneration = -1
  let flight: Flight | undefined
  const stored = yield* store.load
  const held = yield* SubscriptionRef.make(
    Option.map(stored, (entry): Held => ({ snapshot: snapshotOf(entry), generation }))
  )

  const state = Effect.gen(function* () {
    const list = yield* SubscriptionRef.get(held)
    const millis = yield* Clock.currentTimeMillis
    const now = { millis, generation, failedGeneration, freshForMillis }
    return Option.map(list, ({ snapshot, generation: since }) => ({
      snapshot,
      is: freshness({ fetchedAt: snapshot.fetchedAt, generation: since }, now)
    }))
  })

  const fetch = Effect.fn("ModelCache.fetch")(function* (since: number) {
    yield* count("fetches")
    const catalog = yield* source.fetch.pipe(
      Effect.flatMap(decodeCatalog),
      Effect.catchDefect(Effect.fail),
      Effect.mapError((cause) => new ModelCacheError({ reason: new FetchFailed({ cause }) })),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => {
          const limitMillis = Duration.toMillis(timeout)
          return Effect.fail(new ModelCacheError({ reason: new FetchTimedOut({ limitMillis }) }))
        }
      })
    )
    const entry = { catalog, fetchedAt: yield* Clock.currentTimeMillis }
    const snapshot = snapshotOf(entry)
    const outdated = (before: Held) => before.generation > since
    const kept = yield* SubscriptionRef.modify(held, (before) =>
      Option.exists(before, outdated) ? [false, before] : [true, Option.some({ snapshot, generation: since })]
    )
    if (kept) yield* store.save(entry)
    return snapshot
  })

  const failed = Effect.fnUntraced(function* (since: number, error: ModelCacheError) {
    failedGeneration = Math.max(failedGeneration, since)
    yield* count("failures")
    yield* Effect.logWarning(error.message)
    // It begins by joining this very flight, which fails: so its first act is the pause.
    yield* FiberHandle.run(retrying, untilFresh, { onlyIfMissing: true })
  })

  /** Waits for the flight of this generation, and starts it if need be. Check and start are one synchronous step. */
  const join: Effect.Effect<Snapshot, ModelCacheError> = Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      if (flight?.generation === generation) return restore(Deferred.await(flight.landed))
      const mine: Flight = { generation, landed: Deferred.makeUnsafe() }
      flight = mine
      return fetch(mine.generation).pipe(
        Effect.tapError((error) => failed(mine.generation, error)),
        Effect.onExit((exit) => {
          if (flight === mine) flight = undefined
          return Deferred.done(mine.landed, exit)
        }),
        Effect.interruptible,
        Effect.forkIn(scope),
        Effect.andThen(restore(Deferred.await(mine.landed)))
      )
    })
  )

  const ensureFresh = Effect.flatMap(state, (now) =>
    Option.isSome(now) && now.value.is === "fresh" ? Effect.succeed(now.value.snapshot) : join
  )
  const untilFresh = Effect.ignore(Effect.retry(ensureFresh, retry))

  const get = Effect.gen(function* () {
    const now = yield* state
    if (Option.isNone(now)) {
      yield* count("misses")
      return yield* join
    }
    const { is, snapshot } = now.value
    if (is === "fresh") yield* count("hits")
    if (is === "stale") {
      yield* count("staleHits")
      yield* FiberHandle.run(retrying, untilFresh, { onlyIfMissing: true })
    }
    if (is !== "invalidated") return snapshot
    yield* count("misses")
    return yield* Effect.orElseSucceed(join, () => snapshot)
  })

  const resolve = Effect.fn("ModelCache.resolve")(function* (spec?: string) {
    const snapshot = yield* get
    const found = ModelCatalog.resolve(snapshot, spec)
    if (Result.isSuccess(found)) return found.success
    const newest = yield* Effect.orElseSucceed(ensureFresh, () => snapshot)
    return yield* Effect.fromResult(ModelCatalog.resolve(newest, spec))
  })

  return ModelCache.of({
    get,
    refresh: join,
    invalidate: Effect.sync(() => {
      generation += 1
    }),
    resolve,
    changes: SubscriptionRef.changes(held).pipe(
      Stream.filter(Option.isSome),
      Stream.map(({ value }) => value.snapshot),
      Stream.changesWith((before, after) => before.hash === after.hash),
      Stream.interruptWhen(closed.await)
    ),
    stats
  })
})

const snapshotOf = ({ catalog, fetchedAt }: Store.Entry): Snapshot => ({
  ...catalog,
  hash: ModelCatalog.hash(catalog),
  fetchedAt
})

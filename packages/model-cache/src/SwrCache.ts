/**
 * One value for any number of callers, served stale while one lookup revalidates it.
 *
 * ```
 *   get ─┬─ fresh ───────▶ the value                                            hit
 *        ├─ stale ───────▶ the value at once; one lookup runs in the background  stale hit
 *        ├─ invalidated ─▶ waits for a lookup; the old value if it fails         miss
 *        └─ none ────────▶ waits for a lookup; its error if it fails             miss
 * ```
 *
 * Invariants
 * - At most one lookup runs per generation; an invalidation begins a new generation.
 * - A lookup belongs to the cache and not to a caller: interrupting callers never cancels it.
 * - Once there was a value there always is one: a failed lookup removes nothing, and one background fiber retries it with
 *   backoff until a lookup succeeds.
 * - A lookup that began before an invalidation never replaces a value of a later one, and never counts as fresh.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as FiberHandle from "effect/FiberHandle"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { freshness } from "./internal/freshness.ts"

export interface SwrCacheOptions<A, E, R> {
  /** Computes the value once. It has no time limit of its own: add `Effect.timeout`. */
  readonly lookup: Effect.Effect<A, E, R>
  /** How long a value is served without a lookup. Default: 5 minutes. */
  readonly freshFor?: Duration.Input | undefined
  /** When to retry after a failed lookup. Default: after about 1, 2, 4, … 60, 60 seconds, without end. */
  readonly retry?: Schedule.Schedule<unknown> | undefined
  /** A value of an earlier process. `fetchedAt`: milliseconds since 1970. */
  readonly initial?: { readonly value: A; readonly fetchedAt: number } | undefined
  /** Runs after each lookup whose value the cache keeps, before its callers receive the value. */
  readonly onFetched?: ((value: A, fetchedAt: number) => Effect.Effect<void>) | undefined
  /** Values that are equal are published once. Default: `Equal.equals`. */
  readonly equals?: ((one: A, other: A) => boolean) | undefined
  /** The attribute `cache` of metrics and spans. Default: "default". */
  readonly name?: string | undefined
}

/** Counts since the cache was made. `hits + staleHits + misses` is the number of completed `get`s. */
export interface Stats {
  /** Lookups begun. */
  readonly fetches: number
  /** Lookups that failed. */
  readonly failures: number
  /** Served from a fresh value. */
  readonly hits: number
  /** Served at once from a stale value. */
  readonly staleHits: number
  /** Waited for a lookup. */
  readonly misses: number
}

export interface SwrCache<out A, out E = never> {
  /** The value. Fails like the lookup, and only while there was never a value. */
  readonly get: Effect.Effect<A, E>
  /** A fresh value: waits for a lookup unless the value is fresh, and fails if the lookup fails. */
  readonly getFresh: Effect.Effect<A, E>
  /** Waits for a lookup, joining one that runs. Fails if the lookup fails; the last value stays. */
  readonly refresh: Effect.Effect<A, E>
  /** Marks the value as wrong: the next `get` waits for a lookup that begins after this. */
  readonly invalidate: Effect.Effect<void>
  /** Receives the current value, if there is one, then each different value. Ends with the cache. */
  readonly subscribe: Effect.Effect<PubSub.Subscription<A>, never, Scope.Scope>
  readonly stats: Effect.Effect<Stats>
}

interface Flight<A, E> {
  readonly generation: number
  readonly landed: Deferred.Deferred<A, E>
}

/** Doubles from a second to a minute, jittered so that many caches do not retry in step. */
const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.jittered)

const counter = (id: string) => Metric.counter(id, { incremental: true })
const metrics: { readonly [Key in keyof Stats]: Metric.Counter<number> } = {
  fetches: counter("swr_cache_fetches_total"),
  failures: counter("swr_cache_failures_total"),
  hits: counter("swr_cache_hits_total"),
  staleHits: counter("swr_cache_stale_hits_total"),
  misses: counter("swr_cache_misses_total")
}

/**
 * Makes a cache. Closing its scope interrupts its lookups and the callers that wait for them.
 *
 * @example
 * ```ts
 * const rates = yield* SwrCache.make({ lookup: Effect.timeout(fetchRates, "10 seconds"), freshFor: "1 hour" })
 * const { usd } = yield* rates.get
 * ```
 */
export const make = Effect.fnUntraced(function* <A, E, R>(
  options: SwrCacheOptions<A, E, R>
): Effect.fn.Return<SwrCache<A, E>, never, R | Scope.Scope> {
  const { equals = Equal.equals, initial, name = "default", retry = backoff } = options
  const scope = yield* Scope.Scope
  const context = yield* Effect.context<R>()
  const retrying = yield* FiberHandle.make()
  const values = yield* PubSub.unbounded<A>({ replay: 1 })
  yield* Effect.addFinalizer(() => PubSub.shutdown(values))
  const freshForMillis = Duration.toMillis(options.freshFor ?? "5 minutes")

  const counts = { fetches: 0, failures: 0, hits: 0, staleHits: 0, misses: 0 }
  const count = (key: keyof Stats) =>
    Effect.suspend(() => {
      counts[key] += 1
      return Metric.update(Metric.withAttributes(metrics[key], { cache: name }), 1)
    })

  let generation = 0
  let failedGeneration = -1
  let flight: Flight<A, E> | undefined
  let held = initial && { ...initial, generation }
  if (initial) yield* PubSub.publish(values, initial.value)

  const state = Effect.map(
    Clock.currentTimeMillis,
    (millis) =>
      held && { value: held.value, is: freshness(held, { millis, generation, failedGeneration, freshForMillis }) }
  )

  const fetch = Effect.fnUntraced(
    function* (since: number) {
      yield* count("fetches")
      const value = yield* options.lookup
      const fetchedAt = yield* Clock.currentTimeMillis
      if (held && held.generation > since) return value
      const changed = !held || !equals(held.value, value)
      held = { value, fetchedAt, generation: since }
      if (changed) yield* PubSub.publish(values, value)
      if (options.onFetched) yield* options.onFetched(value, fetchedAt)
      return value
    },
    Effect.withSpan("SwrCache.fetch", { attributes: { cache: name } })
  )

  const failed = Effect.fnUntraced(function* (since: number, cause: Cause.Cause<E>) {
    failedGeneration = Math.max(failedGeneration, since)
    yield* count("failures")
    const error = Cause.squash(cause)
    yield* Effect.logWarning(`Cache "${name}": ${error instanceof Error ? error.message : String(error)}`)
    // The retry first joins this flight, which fails: its first own action is the pause.
    yield* revalidate
  })

  /** Waits for the flight of this generation, and starts it if there is none. Check and start are one synchronous step. */
  const join: Effect.Effect<A, E> = Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      if (flight?.generation === generation) return restore(Deferred.await(flight.landed))
      const mine: Flight<A, E> = { generation, landed: Deferred.makeUnsafe() }
      flight = mine
      return fetch(mine.generation).pipe(
        Effect.provideContext(context),
        Effect.tapCause((cause) => failed(mine.generation, cause)),
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

  const getFresh = Effect.flatMap(state, (now) => (now?.is === "fresh" ? Effect.succeed(now.value) : join))
  const revalidate = Effect.suspend(() =>
    FiberHandle.run(retrying, Effect.ignoreCause(Effect.retry(Effect.sandbox(getFresh), retry)), {
      onlyIfMissing: true
    })
  )

  const get = Effect.gen(function* () {
    const now = yield* state
    if (now === undefined) {
      yield* count("misses")
      return yield* join
    }
    const { is, value } = now
    if (is === "fresh") yield* count("hits")
    if (is === "stale") {
      yield* count("staleHits")
      yield* revalidate
    }
    if (is !== "invalidated") return value
    yield* count("misses")
    return yield* Effect.catchCauseIf(
      join,
      (cause) => !Cause.hasInterruptsOnly(cause),
      () => Effect.succeed(value)
    )
  })

  return {
    get,
    getFresh,
    refresh: join,
    invalidate: Effect.sync(() => {
      generation += 1
    }),
    subscribe: PubSub.subscribe(values),
    stats: Effect.sync(() => ({ ...counts }))
  }
})

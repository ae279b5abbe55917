/** @since 0.1.0 */
import type { Duration, Effect, Scope, Stream } from "effect"
import type { SessionPoolError } from "./SessionPoolError.ts"

/**
 * How a pool opens its resources, and how many it keeps.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<K, A, E, R> {
  /** Opens the resource of a key. Its finalizers run when the pool closes the resource. */
  readonly open: (key: K) => Effect.Effect<A, E, R>
  /** Resources that may exist at once, those being opened or closed included; at least 1. */
  readonly capacity: number
  /** Callers that may use one key's resource at once; 1 unless told. */
  readonly concurrency?: number | undefined
  /** Callers that may wait for their turn; without a limit unless told. */
  readonly maxWaiting?: number | undefined
  /** Closes a resource that nobody used for so long; kept until its place is needed unless told. */
  readonly idleTimeToLive?: Duration.Input | undefined
  /** The value of the attribute `pool` of this pool's metrics; "default" unless told. */
  readonly name?: string | undefined
}

/**
 * What a pool did and holds. Counts since it was made, but for the first three, which are of now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Resources that exist, those being opened or closed included; never above the capacity. */
  readonly resident: number
  /** Resources with at least one user. */
  readonly inUse: number
  /** Callers that wait for their turn. */
  readonly waiting: number
  /** Attempts to open a resource. */
  readonly opens: number
  /** Uses that found their resource open or being opened. */
  readonly hits: number
  /** Idle resources closed to make room. */
  readonly evictions: number
  /** Resources closed because nobody used them for `idleTimeToLive`. */
  readonly idleCloses: number
  /** Attempts to open a resource that failed. */
  readonly failures: number
}

/**
 * Why a resource was closed.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseReason = "Evicted" | "Idle" | "Invalidated" | "Failed" | "Abandoned" | "Drained"

/**
 * Something that happened to a key's resource.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent<K> =
  | { readonly _tag: "Opening"; readonly key: K }
  | { readonly _tag: "Opened"; readonly key: K }
  | { readonly _tag: "Reused"; readonly key: K }
  | { readonly _tag: "Closing"; readonly key: K; readonly reason: CloseReason }
  | { readonly _tag: "Closed"; readonly key: K; readonly reason: CloseReason }
  | { readonly _tag: "Rejected"; readonly key: K }

/**
 * A bounded pool of keyed resources, each opened at its first use.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionPool<K, out A, out E = never> {
  /** Runs `f` with the resource of `key`: opens it at the first use, and reuses it while it is resident. */
  readonly use: <B, E2, R2>(
    key: K,
    f: (resource: A) => Effect.Effect<B, E2, R2>
  ) => Effect.Effect<B, E | E2 | SessionPoolError, R2>
  /** Counts as a use for the choice of the victim and for `idleTimeToLive`. Says whether the key is resident. */
  readonly touch: (key: K) => Effect.Effect<boolean>
  /** The next user opens anew. Closes an idle resource before it returns; one in use when its holders have left. */
  readonly invalidate: (key: K) => Effect.Effect<void>
  /** The resident keys, the least recently used idle ones first. */
  readonly keys: Effect.Effect<ReadonlyArray<K>>
  readonly stats: Effect.Effect<Stats>
  /** Everything that happens from the subscription on. A subscriber that falls 1,024 events behind loses the oldest. */
  readonly events: Stream.Stream<PoolEvent<K>>
  /** Begins nothing new, turns those who wait away, waits for the running and closes all. For good. */
  readonly drain: (options?: { readonly timeout?: Duration.Input | undefined }) => Effect.Effect<void, SessionPoolError>
}

/**
 * Makes a pool that lives as long as its scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export declare const make: <K, A, E, R>(
  options: Options<K, A, E, R>
) => Effect.Effect<SessionPool<K, A, E>, never, Scope.Scope | Exclude<R, Scope.Scope>>

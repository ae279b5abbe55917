/**
 * The package for programs that do not use Effect: promises, async iterables, `AbortSignal` and `await using`.
 *
 * @since 0.1.0
 */
import { Context, Effect, Exit, Layer, ManagedRuntime, Stream } from "effect"
import { makePromiseRunner } from "./internal/promiseRunner.ts"
import { checkFunction } from "./internal/settings.ts"
import * as SessionPool from "./SessionPool.ts"
import { SessionPoolError } from "./SessionPoolError.ts"
import { Draining } from "./SessionPoolReason.ts"

/**
 * How a pool opens and closes its resources, and how many it keeps. Durations are in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncSessionPoolOptions<K, A> {
  /** The signal aborts when nobody waits for the resource any longer; what is opened nevertheless is closed. */
  readonly open: (key: K, signal: AbortSignal) => Promise<A> | A
  readonly close?: (resource: A, key: K) => Promise<void> | void
  /** Resources that may exist at once, those being opened or closed included; at least 1. */
  readonly capacity: number
  /** Callers that may use one key's resource at once; 1 unless told. */
  readonly concurrency?: number
  /** Callers that may wait for their turn; without a limit unless told. */
  readonly maxWaiting?: number
  /** Closes a resource that nobody used for so long; kept until its place is needed unless told. */
  readonly idleTimeToLive?: number
}

/**
 * A bounded pool of keyed resources. Promises reject with `SessionPoolError` where the Effect would fail with it (its
 * reason is `Draining` after disposal), with `signal.reason` after an abort, and otherwise with the value that `open` or
 * the caller's own function rejected with.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncSessionPool<K, A> extends AsyncDisposable {
  /**
   * Runs `f` with the resource of `key`. The signal given in `options` takes the caller out of the queue, and is passed
   * on to `f`: a caller that is aborted while `f` runs leaves once `f` has settled.
   */
  readonly use: <B>(
    key: K,
    f: (resource: A, signal: AbortSignal) => Promise<B> | B,
    options?: { readonly signal?: AbortSignal }
  ) => Promise<B>
  readonly touch: (key: K) => boolean
  readonly invalidate: (key: K) => Promise<void>
  readonly keys: () => ReadonlyArray<K>
  readonly stats: () => SessionPool.Stats
  readonly events: () => AsyncIterable<SessionPool.PoolEvent<K>>
  readonly drain: (options?: { readonly timeout?: number }) => Promise<void>
}

/**
 * Makes a pool. Disposing of it drains it. Rejects with `InvalidOption` when an option has the wrong type or range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const createSessionPool = async <K, A>(
  options: AsyncSessionPoolOptions<K, A>
): Promise<AsyncSessionPool<K, A>> => {
  const Pool = Context.Service<SessionPool.SessionPool<K, A>>("@opencode-worker/session-pool/Pool")
  checkFunction("open", options.open)
  const { close = () => undefined } = options
  checkFunction("close", close)
  const open = (key: K) =>
    Effect.uninterruptibleMask((restore) => {
      const running = start((signal) => options.open(key, signal))
      const closing = running.stop.pipe(
        Effect.flatMap((opened) => (Exit.isSuccess(opened) ? promise(() => close(opened.value, key)) : Effect.void))
      )
      return Effect.andThen(
        Effect.addFinalizer(() => closing),
        restore(running.result)
      )
    })
  const runtime = ManagedRuntime.make(Layer.effect(Pool, SessionPool.make({ ...options, open })))
  const runner = makePromiseRunner(runtime, () => new SessionPoolError({ reason: new Draining() }))
  const pool = await runner.run(Pool)
  return {
    use: (key, f, run) => {
      const running = (resource: A) => Effect.sync(() => start((signal) => f(resource, signal)))
      const used = pool.use(key, (resource) =>
        Effect.acquireUseRelease(
          running(resource),
          ({ result }) => result,
          ({ stop }) => stop
        )
      )
      return runner.run(used, run)
    },
    touch: (key) => Effect.runSync(pool.touch(key)),
    invalidate: (key) => runner.run(pool.invalidate(key)),
    keys: () => Effect.runSync(pool.keys),
    stats: () => Effect.runSync(pool.stats),
    events: () => Stream.toAsyncIterable(pool.events),
    drain: (limit) => runner.run(pool.drain(limit)),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

/** A rejection is a defect here: the promise of whoever runs it rejects with the very same value. */
const promise = <A>(run: () => Promise<A> | A): Effect.Effect<A> => Effect.promise(async () => run())

/** Starts a promise. `stop` aborts its signal unless it has settled, and waits until it has. */
const start = <A>(run: (signal: AbortSignal) => Promise<A> | A) => {
  const controller = new AbortController()
  let settled = false
  const running = (async () => run(controller.signal))().finally(() => {
    settled = true
  })
  const result = promise(() => running)
  const stop = Effect.suspend(() => {
    if (!settled) controller.abort()
    return Effect.exit(result)
  })
  return { result, stop }
}

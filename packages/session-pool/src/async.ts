/** The pool for programs without Effect: promises, `AbortSignal` and `await using`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import { makePromiseRunner } from "./internal/promiseRunner.ts"
import { checkOptions, checkType } from "./internal/settings.ts"
import * as SessionPool from "./SessionPool.ts"
import { SessionPoolError } from "./SessionPoolError.ts"
import { Draining } from "./SessionPoolReason.ts"

export * from "./SessionPoolError.ts"
export * as SessionPoolReason from "./SessionPoolReason.ts"

/** Durations are in milliseconds. */
export interface SessionPoolOptions<K, A> {
  /** Opens the resource of a key. The signal aborts when no caller waits for it; a resource that is opened anyway is closed. */
  readonly open: (key: K, signal: AbortSignal) => Promise<A> | A
  readonly close?: (resource: A, key: K) => Promise<void> | void
  /** Resources that may exist at once, including those being opened or closed; at least 1. */
  readonly capacity: number
  /** Callers that may hold the resource of one key at once. Default: 1. */
  readonly concurrency?: number
  /** Callers that may wait. Default: no limit. */
  readonly maxWaiting?: number
  /** Closes a resource that was idle for this long. Default: it stays open until its slot is needed. */
  readonly idleTimeToLive?: number
  /** The pool ignores its result. */
  readonly onEvent?: (event: SessionPool.PoolEvent<K>) => void
  /** The attribute `pool` of metrics and spans. Default: "default". */
  readonly name?: string
}

/**
 * A bounded pool of keyed resources. Promises reject with `SessionPoolError` (reason `Draining` after disposal), with
 * `signal.reason` after an abort, and otherwise with the value that `open` or the caller's function rejected with.
 */
export interface AsyncSessionPool<K, A> extends AsyncDisposable {
  /**
   * Runs `f` with the resource of `key`. Aborting `options.signal` removes a waiting caller from the queue. The signal is
   * passed to `f`: after an abort `use` rejects once `f` has settled.
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
  readonly drain: (options?: { readonly timeout?: number }) => Promise<void>
}

/**
 * Makes a pool. Disposing of it drains it. Rejects with `InvalidOption` if an option is unknown, missing, of the wrong
 * type or out of range.
 *
 * @example
 * ```ts
 * await using pool = await createSessionPool({ capacity: 20, open: (user: string) => connect(user) })
 * await pool.use("user-1", (connection) => connection.send("hello"))
 * ```
 */
export const createSessionPool = async <K, A>(options: SessionPoolOptions<K, A>): Promise<AsyncSessionPool<K, A>> => {
  checkOptions(options)
  const Pool = Context.Service<SessionPool.SessionPool<K, A>>("@opencode-worker/session-pool/Pool")
  const { close = () => undefined, onEvent } = options
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
  const made = SessionPool.make<K, A, never, Scope.Scope>({
    ...options,
    open,
    onEvent: onEvent && ((event) => Effect.sync(() => onEvent(event)))
  })
  const runtime = ManagedRuntime.make(Layer.effect(Pool, made))
  const runner = makePromiseRunner(runtime, () => new SessionPoolError({ reason: new Draining() }))
  const pool = await runner.run(Pool)
  return {
    use: async (key, f, run) => {
      checkType("f", "a function", f)
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
    drain: async (limit) => {
      if (limit?.timeout !== undefined) checkType("timeout", "a number", limit.timeout)
      return runner.run(pool.drain(limit))
    },
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

/** A rejection becomes a defect: the promise of the caller rejects with the same value. */
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

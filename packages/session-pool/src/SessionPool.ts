/**
 * A bounded pool of keyed, scoped resources: opened on first use, exclusive per key, the least recently used idle one
 * closed when its slot is needed. `internal/Admission.ts` decides; this module carries out its commands.
 *
 * Invariants
 * - A decision and its commands are one synchronous step, so that no interruption falls between them.
 * - Opening and closing run in fibers of the pool: they do not end with the caller that caused them. An attempt to open
 *   that no caller waits for is interrupted.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Admission from "./internal/Admission.ts"
import * as Grant from "./internal/Grant.ts"
import { registerMetrics } from "./internal/metrics.ts"
import { makeResources, makeState, type ResourceState } from "./internal/resources.ts"
import { resolve } from "./internal/settings.ts"
import { makeSpans } from "./internal/spans.ts"
import type { Command, Waiter } from "./internal/Slot.ts"
import type { PoolEvent, Stats } from "./internal/types.ts"
import { SessionPoolError } from "./SessionPoolError.ts"
import { Draining, DrainTimeout, TooManyWaiting } from "./SessionPoolReason.ts"

export type { CloseReason, PoolEvent, Stats } from "./internal/types.ts"

export interface SessionPoolOptions<K, A, E, R> {
  /** Opens the resource of a key. Its finalizers run when the pool closes the resource. */
  readonly open: (key: K) => Effect.Effect<A, E, R>
  /** Resources that may exist at once, including those being opened or closed; at least 1. */
  readonly capacity: number
  /** Callers that may hold the resource of one key at once. Default: 1. */
  readonly concurrency?: number | undefined
  /** Callers that may wait. Default: no limit. */
  readonly maxWaiting?: number | undefined
  /** Closes a resource that was idle for this long. Default: it stays open until its slot is needed. */
  readonly idleTimeToLive?: Duration.Input | undefined
  /** Runs for each event in a fiber of its own; the pool does not wait for it. */
  readonly onEvent?: ((event: PoolEvent<K>) => Effect.Effect<unknown>) | undefined
  /** The attribute `pool` of metrics and spans. Default: "default". */
  readonly name?: string | undefined
}

export interface SessionPool<K, out A, out E = never> {
  /** Runs `f` with the resource of `key`, which is opened on first use and reused while it is resident. */
  readonly use: <B, E2, R2>(
    key: K,
    f: (resource: A) => Effect.Effect<B, E2, R2>
  ) => Effect.Effect<B, E | E2 | SessionPoolError, R2>
  /** Like `use`, but holds the resource until the scope closes. */
  readonly get: (key: K) => Effect.Effect<A, E | SessionPoolError, Scope.Scope>
  /** Counts as a use for eviction and `idleTimeToLive`. Returns whether the key is resident. */
  readonly touch: (key: K) => Effect.Effect<boolean>
  /** The next caller opens a new resource. An idle resource is closed before this returns, one in use when its holders leave. */
  readonly invalidate: (key: K) => Effect.Effect<void>
  /** The resident keys: idle ones first, least recently used first. */
  readonly keys: Effect.Effect<ReadonlyArray<K>>
  readonly stats: Effect.Effect<Stats>
  /** Rejects new and waiting callers, waits for holders, and closes every resource. The pool cannot be used afterwards. */
  readonly drain: (options?: { readonly timeout?: Duration.Input | undefined }) => Effect.Effect<void, SessionPoolError>
}

/**
 * Makes a pool. Closing its scope drains it without a time limit: call `drain` with a timeout before, if a holder may
 * never leave. Dies with `InvalidOption` if an option is invalid.
 *
 * @example
 * ```ts
 * const pool = yield* SessionPool.make({ open: connect, capacity: 20, idleTimeToLive: "5 minutes" })
 * yield* pool.use("user-1", (connection) => connection.send("hello"))
 * ```
 */
export const make = Effect.fnUntraced(function* <K, A, E, R>(
  options: SessionPoolOptions<K, A, E, R>
): Effect.fn.Return<SessionPool<K, A, E>, never, Scope.Scope | Exclude<R, Scope.Scope>> {
  const settings = yield* Effect.orDie(resolve(options))
  const { onEvent } = options
  const { capacity, maxWaiting, timeToLive } = settings
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const fork = Effect.runForkWith(context)
  const drained = yield* Deferred.make<void>()

  type Granted = Grant.Grant<A, E | SessionPoolError>
  const admission = Admission.make<K, Granted, ResourceState<A, E>>({ ...settings, makeSlot: makeState })

  const span = makeSpans(settings.name)

  const expires = Number.isFinite(timeToLive)
  /** Only expiry reads it, and the look-up of the clock costs more than the rest of leaving. */
  const leftAt = () => (expires ? (Fiber.getCurrent()?.getRef(Clock.Clock).currentTimeMillisUnsafe() ?? 0) : 0)

  const publish = (event: PoolEvent<K>) => {
    if (onEvent === undefined) return
    fork(
      Effect.catchCause(
        Effect.suspend(() => onEvent(event)),
        (cause) => Effect.logWarning("onEvent failed", cause)
      )
    )
  }

  let isRunning = false
  /** Carries out the commands. A fiber that is resumed here may add more: they join the queue. */
  const runCommands = () => {
    if (isRunning) return
    isRunning = true
    for (let command = admission.commands.shift(); command; command = admission.commands.shift()) run(command)
    isRunning = false
  }

  const resources = makeResources({
    open: (key) => span("SessionPool.open", key, () => options.open(key)),
    context,
    admission,
    runCommands,
    publish
  })

  const run = (command: Command<K, Granted, ResourceState<A, E>>) => {
    switch (command._tag) {
      case "Open":
        publish({ _tag: "Opening", key: command.slot.entry.key })
        return resources.open(command.slot)
      case "Grant": {
        const { hit, slot, waiter } = command
        if (hit) publish({ _tag: "Reused", key: slot.entry.key })
        return Grant.done(waiter.payload, slot.payload.outcome)
      }
      case "Fail":
        return Grant.done(command.waiter.payload, command.slot.payload.outcome)
      case "Reject":
        return Grant.done(command.waiter.payload, Exit.fail(error(new Draining())))
      case "Close":
        publish({ _tag: "Closing", key: command.slot.entry.key, reason: command.reason })
        return resources.close(command.slot, command.reason)
      case "Drained":
        Deferred.doneUnsafe(drained, Exit.void)
    }
  }

  type Caller = Waiter<K, Granted, ResourceState<A, E>>

  const enter = (key: K): Caller | Exit.Exit<never, SessionPoolError> => {
    if (admission.isDraining()) return Exit.fail(error(new Draining()))
    const waiter = admission.enter(key, Grant.make())
    runCommands()
    if (waiter) return waiter
    publish({ _tag: "Rejected", key })
    return Exit.fail(error(new TooManyWaiting({ waiting: maxWaiting, capacity })))
  }

  const granted = ({ entry, payload }: Caller): Effect.Effect<A, E | SessionPoolError> =>
    payload.exit ?? span("SessionPool.wait", entry.key, () => Grant.wait(payload))

  /** Runs in the finalizer of the caller, without an effect of its own. */
  const leave = (waiter: Caller): undefined => {
    admission.leave(waiter, leftAt())
    waiter.payload.exit = undefined
    runCommands()
  }

  const drain = Effect.suspend(() => {
    admission.drain()
    runCommands()
    return Deferred.await(drained)
  })

  const pool: SessionPool<K, A, E> = {
    use: (key, f) =>
      Effect.uninterruptibleMask((restore) => {
        const waiter = enter(key)
        if (Exit.isExit(waiter)) return waiter
        const { exit } = waiter.payload
        const used =
          exit && Exit.isSuccess(exit) ? Effect.suspend(() => f(exit.value)) : Effect.flatMap(granted(waiter), f)
        return Effect.onExitPrimitive(restore(used), () => leave(waiter))
      }),

    get: (key) =>
      Effect.uninterruptibleMask((restore) => {
        const waiter = enter(key)
        if (Exit.isExit(waiter)) return waiter
        return restore(granted(waiter)).pipe(
          Effect.onError(() => Effect.sync(() => leave(waiter))),
          Effect.tap(() => Effect.addFinalizer(() => Effect.sync(() => leave(waiter))))
        )
      }),

    touch: (key) => Effect.map(Clock.currentTimeMillis, (now) => admission.touch(key, now)),

    invalidate: (key) =>
      Effect.suspend(() => {
        const slot = admission.invalidate(key)
        runCommands()
        return slot?.phase === "Closing" ? Deferred.await(slot.payload.closed) : Effect.void
      }),

    keys: Effect.sync(admission.keys),
    stats: Effect.sync(admission.stats),

    drain: ({ timeout } = {}) => {
      if (timeout === undefined) return drain
      const limitMillis = Duration.toMillis(timeout)
      const orElse = () => error(new DrainTimeout({ resident: admission.stats().resident, limitMillis }))
      return Effect.timeoutOrElse(drain, { duration: timeout, orElse: () => Effect.fail(orElse()) })
    }
  }

  yield* Effect.addFinalizer(() => drain)
  yield* registerMetrics(settings.name, admission.stats)
  if (expires) {
    const expire = Effect.map(Clock.currentTimeMillis, (now) => {
      const next = admission.expire(now, timeToLive)
      runCommands()
      return next - now
    })
    yield* expire.pipe(
      Effect.flatMap((wait) => Effect.sleep(wait)),
      Effect.forever,
      Effect.forkScoped
    )
  }
  return pool
})

const error = (reason: SessionPoolError["reason"]) => new SessionPoolError({ reason })

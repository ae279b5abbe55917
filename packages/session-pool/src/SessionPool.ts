/**
 * A bounded pool of keyed, scoped resources: opened at the first use, one use of a key at a time, the least recently used
 * idle one closed when its place is needed. `internal/Admission.ts` decides, this module carries out.
 *
 * Invariants
 * - A decision and its commands are one synchronous step, so no interruption falls between them.
 * - Opening and closing run in fibers of their own: they do not end with the caller that caused them. An attempt that
 *   nobody waits for any longer is interrupted.
 *
 * @since 0.1.0
 */
import { Clock, Deferred, Duration, Effect, Exit, Fiber, PubSub, Scope, Stream } from "effect"
import * as Admission from "./internal/Admission.ts"
import { resolve } from "./internal/settings.ts"
import { registerMetrics } from "./internal/metrics.ts"
import { SessionPoolError } from "./SessionPoolError.ts"
import { Draining, DrainTimeout, TooManyWaiting } from "./SessionPoolReason.ts"

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
  /** Uses of a resource that somebody had used before. */
  readonly hits: number
  /** Idle resources closed to make room. */
  readonly evictions: number
  /** Resources closed because nobody used them for `idleTimeToLive`. */
  readonly idleCloses: number
  /** Attempts to open a resource that failed while somebody waited for it. */
  readonly failures: number
}

/**
 * Why a resource was closed.
 *
 * @category models
 * @since 0.1.0
 */
export type CloseReason = "Evicted" | "Idle" | "Invalidated" | "Abandoned" | "Drained"

/**
 * Something that happened to a key's resource.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent<K> =
  | { readonly _tag: "Opening"; readonly key: K }
  | { readonly _tag: "Opened"; readonly key: K }
  | { readonly _tag: "Failed"; readonly key: K }
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

/** What a caller hears: the resource when its turn has come, or why it will not get it. */
type Turn<A, E> = Deferred.Deferred<A, E | SessionPoolError>

/** What the pool keeps of a resource. */
interface Residence<A, E> {
  readonly scope: Scope.Closeable
  readonly closed: Deferred.Deferred<void>
  opening: Fiber.Fiber<void> | undefined
  outcome: Exit.Exit<A, E>
}

const pending = Exit.die("The resource was given out before it was opened")

/**
 * Makes a pool. Closing its scope drains it, without a limit: drain it before, if a holder may never leave.
 *
 * Dies with `InvalidOption` when an option is out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <K, A, E, R>(
  options: Options<K, A, E, R>
): Effect.fn.Return<SessionPool<K, A, E>, never, Scope.Scope | Exclude<R, Scope.Scope>> {
  const settings = yield* Effect.orDie(resolve(options))
  const { capacity, maxWaiting, timeToLive } = settings
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const fork = Effect.runForkWith(context)
  const events = yield* PubSub.sliding<PoolEvent<K>>(1024)
  const empty = yield* Deferred.make<void>()

  type Command = Admission.Command<K, Turn<A, E>, Residence<A, E>>
  type Place = Admission.Residence<K, Turn<A, E>, Residence<A, E>>
  const admission = Admission.make<K, Turn<A, E>, Residence<A, E>>({
    ...settings,
    residence: () => ({
      scope: Scope.makeUnsafe(),
      closed: Deferred.makeUnsafe(),
      opening: undefined,
      outcome: pending
    })
  })

  // The stack would show the pool, not its caller, and its capture costs more than a use.
  const span = (name: string, key: K) =>
    Effect.withSpan(name, { attributes: { pool: settings.name, key } }, { captureStackTrace: false })

  let busy = false
  /** Carries out what has been decided. A fiber that is resumed here may decide more: that joins the queue. */
  const carryOut = () => {
    if (busy) return
    busy = true
    for (let command = admission.commands.shift(); command; command = admission.commands.shift()) run(command)
    busy = false
  }

  const publish = (event: PoolEvent<K>) => {
    // Of a full buffer only the effect drops the oldest event.
    if (!PubSub.publishUnsafe(events, event)) fork(PubSub.publish(events, event))
  }

  const run = (command: Command) => {
    switch (command._tag) {
      case "Open": {
        const { entry, payload } = command.residence
        publish({ _tag: "Opening", key: entry.key })
        payload.opening = fork(open(command.residence))
        return
      }
      case "LetIn": {
        const { ticket, residence, hit } = command
        if (hit) publish({ _tag: "Reused", key: residence.entry.key })
        Deferred.doneUnsafe(ticket.payload, residence.payload.outcome)
        return
      }
      case "LetDown":
        Deferred.doneUnsafe(command.ticket.payload, command.residence.payload.outcome)
        return
      case "TurnAway":
        Deferred.doneUnsafe(command.ticket.payload, Exit.fail(error(new Draining())))
        return
      case "Close":
        publish({ _tag: "Closing", key: command.residence.entry.key, reason: command.reason })
        fork(close(command.residence, command.reason), { uninterruptible: true })
        return
      case "Empty":
        Deferred.doneUnsafe(empty, Exit.void)
    }
  }

  const open = (place: Place) =>
    Effect.uninterruptibleMask((restore) =>
      restore(Effect.suspend(() => options.open(place.entry.key))).pipe(
        Scope.provide(place.payload.scope),
        span("SessionPool.open", place.entry.key),
        Effect.exit,
        Effect.flatMap((exit) => {
          place.payload.outcome = exit
          return Exit.isSuccess(exit) ? opened(place) : failed(place, exit)
        })
      )
    )

  const opened = (place: Place) =>
    Effect.sync(() => {
      if (!admission.opened(place)) return
      publish({ _tag: "Opened", key: place.entry.key })
      carryOut()
    })

  // An attempt that was abandoned is closed by its closing, which waits for this fiber.
  const failed = (place: Place, exit: Exit.Failure<A, E>) =>
    Effect.suspend(() => {
      if (!admission.failed(place)) return Effect.void
      publish({ _tag: "Failed", key: place.entry.key })
      carryOut()
      return Effect.andThen(release(place, exit), closed(place))
    })

  const close = (place: Place, reason: CloseReason) =>
    Effect.gen(function* () {
      if (reason === "Abandoned" && place.payload.opening) yield* Fiber.interrupt(place.payload.opening)
      yield* release(place, Exit.void)
      publish({ _tag: "Closed", key: place.entry.key, reason })
      yield* closed(place)
    })

  const closed = (place: Place) =>
    Effect.sync(() => {
      admission.closed(place)
      Deferred.doneUnsafe(place.payload.closed, Exit.void)
      carryOut()
    })

  const release = (place: Place, exit: Exit.Exit<unknown, unknown>) =>
    Scope.close(place.payload.scope, exit).pipe(
      Effect.catchCause((cause) => Effect.logWarning(`A finalizer of ${String(place.entry.key)} failed`, cause))
    )

  // No span where nobody waits: it would cost as much as all of a use that finds its resource open.
  const turn = ({ entry, payload }: Admission.Ticket<K, Turn<A, E>, Residence<A, E>>) => {
    const heard = Deferred.await(payload)
    return Deferred.isDoneUnsafe(payload) ? heard : span("SessionPool.wait", entry.key)(heard)
  }

  const drain = Effect.suspend(() => {
    admission.drain()
    carryOut()
    return Deferred.await(empty)
  })

  const pool: SessionPool<K, A, E> = {
    use: (key, f) =>
      Effect.acquireUseRelease(
        Effect.suspend(() => {
          if (admission.isDraining()) return Effect.fail(error(new Draining()))
          const ticket = admission.enter(key, Deferred.makeUnsafe())
          carryOut()
          if (ticket) return Effect.succeed(ticket)
          publish({ _tag: "Rejected", key })
          return Effect.fail(error(new TooManyWaiting({ waiting: maxWaiting, capacity })))
        }),
        (ticket) => Effect.flatMap(turn(ticket), f),
        (ticket) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            admission.leave(ticket, now)
            carryOut()
          })
      ),

    touch: (key) => Effect.map(Clock.currentTimeMillis, (now) => admission.touch(key, now)),

    invalidate: (key) =>
      Effect.suspend(() => {
        const place = admission.invalidate(key)
        carryOut()
        return place?.phase === "Closing" ? Deferred.await(place.payload.closed) : Effect.void
      }),

    keys: Effect.sync(admission.keys),
    stats: Effect.sync(admission.stats),
    events: Stream.fromPubSub(events),

    drain: ({ timeout } = {}) => {
      if (timeout === undefined) return drain
      const limitMillis = Duration.toMillis(timeout)
      const orElse = () => error(new DrainTimeout({ resident: admission.stats().resident, limitMillis }))
      return Effect.timeoutOrElse(drain, { duration: timeout, orElse: () => Effect.fail(orElse()) })
    }
  }

  yield* Effect.addFinalizer(() => Effect.andThen(drain, PubSub.shutdown(events)))
  yield* registerMetrics(settings.name, admission.stats)
  if (Number.isFinite(timeToLive)) {
    const expire = Effect.map(Clock.currentTimeMillis, (now) => {
      const next = admission.expire(now, timeToLive)
      carryOut()
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

/**
 * Runs a machine: takes its events one at a time, and binds each state's activity to that state.
 *
 * Invariants
 * - Events are handled in the order in which they were sent, one at a time.
 * - A state's activity (its finalizers included) has ended before another state is entered: nothing of a state is alive
 *   outside of it.
 * - A refused event changes nothing.
 *
 * ```
 *   send ─▶ table ─▶ interrupt the old activity, await its finalizers ─▶ commit, publish ─▶ fork the new activity ─▶ reply
 * ```
 *
 * @since 0.1.0
 */
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Metric,
  Option,
  Scope,
  Semaphore,
  Stream,
  SubscriptionRef
} from "effect"
import { restore, save } from "./internal/store.ts"
import * as Machine from "./Machine.ts"
import { Ended, MachineError } from "./MachineError.ts"

/**
 * What runs while the machine is in a state. It begins when the state is entered and is interrupted when it is left, and
 * its scope closes then: entry effects are its first lines, exit effects its finalizers. It may end by returning the
 * event that it leads to.
 *
 * A `send` that leaves the state interrupts the activity that waits for it: it is the last thing that activity does. A
 * finalizer may send, but does not get to see the answer. Leaving waits for finalizers: bound those that may hang.
 *
 * @category models
 * @since 0.1.0
 */
export type Activity<State, S extends Machine.Tagged, E extends Machine.Tagged, Err, R> = (
  state: State,
  actor: Actor<S, E>
) => Effect.Effect<E | void, Err, R> | undefined

/**
 * The activities of a machine: by state, or one function for all states.
 *
 * @category models
 * @since 0.1.0
 */
export type Activities<S extends Machine.Tagged, E extends Machine.Tagged, Err, R> =
  | { readonly [From in Machine.Tag<S>]?: Activity<Machine.Of<S, From>, S, E, Err, R> | undefined }
  | Activity<S, S, E, Err, R>

/** What the activities give back, whichever way they are given. */
type Runs<A> = A extends (...args: never) => infer Run
  ? Run
  : { [From in keyof A]: A[From] extends ((...args: never) => infer Run) | undefined ? Run : never }[keyof A]

/**
 * What activities may fail with.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Failure<A> =
  Runs<A> extends infer Run ? (Run extends Effect.Effect<infer _, infer Err, infer _> ? Err : never) : never

/**
 * The services that activities need.
 *
 * @category type-level
 * @since 0.1.0
 */
export type Services<A> =
  Runs<A> extends infer Run ? (Run extends Effect.Effect<infer _, infer _, infer R> ? R : never) : never

/**
 * Keeps the last state, encoded by the machine's schema, over restarts.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store {
  readonly load: Effect.Effect<Option.Option<unknown>>
  readonly save: (state: unknown) => Effect.Effect<void>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<S extends Machine.Tagged, E extends Machine.Tagged, A, F extends E> {
  readonly activities?: (A & Activities<S, E, unknown, unknown>) | undefined
  /** The event that a failed or dying activity leads to. Without one the cause is logged and the state stays. */
  readonly failed?: ((cause: Cause.Cause<Failure<A>>, state: S) => F | undefined) | undefined
  /** Transitions that the history keeps; 100 unless told. */
  readonly historySize?: number | undefined
  /** Begins in the stored state, and stores each state before its activity begins. */
  readonly store?: Store | undefined
}

/**
 * A transition that happened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Transition<S, E> {
  readonly from: S
  readonly event: E
  readonly to: S
  /** Milliseconds since the epoch. */
  readonly at: number
  /** Who or what sent the event, if the sender said so. */
  readonly cause: string | undefined
}

/**
 * A running machine.
 *
 * @category models
 * @since 0.1.0
 */
export interface Actor<S extends Machine.Tagged, E extends Machine.Tagged> {
  readonly state: Effect.Effect<S>
  /**
   * Handles an event and gives the state that it led to, once that state was entered. Fails with `InvalidTransition`.
   * An event that was sent is handled even if its sender is interrupted.
   */
  readonly send: (event: E, options?: { readonly cause?: string | undefined }) => Effect.Effect<S, MachineError>
  /** The current state, then every one that follows; ends after a final state. */
  readonly changes: Stream.Stream<S>
  /** Waits until the machine is in one of the states. Fails with `Ended` when it ends elsewhere. */
  readonly awaitState: <const T extends Machine.Tag<S>>(
    ...states: readonly [T, ...ReadonlyArray<T>]
  ) => Effect.Effect<Machine.Of<S, T>, MachineError>
  /** Waits for a final state. */
  readonly ended: Effect.Effect<S>
  /** The latest transitions, the oldest first. */
  readonly history: Effect.Effect<ReadonlyArray<Transition<S, E>>>
  /** How long the machine has been in its state. */
  readonly timeInState: Effect.Effect<Duration.Duration>
}

const transitions = Metric.counter("machine_transitions_total", {
  description: "Transitions by machine, state left, event and state reached",
  incremental: true
})
const durations = Metric.timer("machine_state_duration", {
  description: "Time that a machine spent in a state, recorded when it leaves"
})

/**
 * One activity for all states, out of either way to give them.
 *
 * @category conversions
 * @since 0.1.0
 */
export const asActivity = <S extends Machine.Tagged, E extends Machine.Tagged, Err, R>(
  activities: Activities<S, E, Err, R> | undefined
): Activity<S, S, E, Err, R> =>
  typeof activities === "function"
    ? activities
    : (state, actor) =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- found by its own tag, it takes this state
        (activities as ByTag<Activity<S, S, E, Err, R>> | undefined)?.[state._tag]?.(state, actor)

type ByTag<A> = Readonly<Record<string, A | undefined>>

/**
 * Starts a machine. It ends with the scope, which interrupts the activity of the state that it is in.
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = <S extends Machine.Tagged, E extends Machine.Tagged, A = object, const F extends E = E>(
  machine: Machine.Machine<S, E>,
  options: Options<S, E, A, F> = {}
): Effect.Effect<Actor<S, E>, never, Scope.Scope | Exclude<Services<A>, Scope.Scope>> => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- A says it more precisely than inference can.
  const activities = options.activities as Activities<S, E, Failure<A>, Services<A>> | undefined
  return run(machine, options, asActivity(activities))
}

const run = Effect.fnUntraced(function* <S extends Machine.Tagged, E extends Machine.Tagged, Err, R>(
  machine: Machine.Machine<S, E>,
  options: {
    readonly failed?: ((cause: Cause.Cause<Err>, state: S) => E | undefined) | undefined
    readonly historySize?: number | undefined
    readonly store?: Store | undefined
  },
  activity: Activity<S, S, E, Err, R>
): Effect.fn.Return<Actor<S, E>, never, Scope.Scope | Exclude<R, Scope.Scope>> {
  const scope = yield* Scope.Scope
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  const initial = yield* restore(machine, options.store)
  const current = yield* SubscriptionRef.make(initial)
  const turn = yield* Semaphore.make(1)
  const closed = yield* Deferred.make<void>()
  const historySize = options.historySize ?? 100
  const history: Array<Transition<S, E>> = []
  let enteredAt = yield* Clock.currentTimeMillis
  let running: Fiber.Fiber<unknown> | undefined

  const enter = (state: S) =>
    Effect.sync(() => {
      running = Effect.runForkWith(context)(live(state)).pipe(Fiber.runIn(scope))
    })

  // The scope of a state is its fiber: entered with it, and closed inside of it when it is interrupted.
  const live = (state: S) =>
    Effect.suspend(() => activity(state, actor) ?? Effect.void).pipe(
      Effect.catchCause((cause) => failed(cause, state)),
      Effect.flatMap((event) => (event ? send(event, { cause: "activity" }) : Effect.void)),
      Effect.catchTag("MachineError", (error) => Effect.logWarning(error.message)),
      Effect.andThen(Effect.never),
      Effect.scoped
    )

  const failed = (cause: Cause.Cause<Err>, state: S): Effect.Effect<E | void> => {
    if (Cause.hasInterruptsOnly(cause)) return Effect.void
    const event = options.failed?.(cause, state)
    const log = event === undefined ? Effect.logError : Effect.logWarning
    const message = `${machine.name}: the activity of ${state._tag} failed`
    return log(message, cause).pipe(Effect.as(event))
  }

  const step = Effect.fnUntraced(function* (event: E, cause: string | undefined) {
    const from = SubscriptionRef.getUnsafe(current)
    const { state: to, entered } = yield* Effect.fromResult(Machine.transition(machine, from, event))
    yield* Effect.annotateCurrentSpan({ from: from._tag, to: to._tag })
    if (entered && running) yield* Fiber.interrupt(running)
    const at = yield* Clock.currentTimeMillis
    history.push({ from, event, to, at, cause })
    if (history.length > historySize) history.shift()
    const labels = { machine: machine.name, from: from._tag, event: event._tag, to: to._tag }
    yield* Metric.update(Metric.withAttributes(transitions, labels), 1)
    if (entered) {
      const inState = { machine: machine.name, state: from._tag }
      const time = Duration.millis(at - enteredAt)
      yield* Metric.update(Metric.withAttributes(durations, inState), time)
      enteredAt = at
    }
    if (to !== from) {
      yield* save(machine, to, options.store)
      yield* SubscriptionRef.set(current, to)
    }
    if (entered) yield* enter(to)
    return to
  })

  const send: Actor<S, E>["send"] = (event, { cause } = {}) =>
    step(event, cause).pipe(
      Effect.withSpan("Machine.transition", {
        attributes: { machine: machine.name, event: event._tag, cause }
      }),
      Effect.uninterruptible,
      (handled) => turn.withPermit(handled),
      // In a fiber of the machine's own: it outlives a sender that is interrupted, also by this very transition.
      Effect.forkIn(scope, { startImmediately: true }),
      // The machine waits for an activity that it leaves, so that activity must not wait for the machine, not even where
      // it could not be interrupted otherwise.
      Effect.flatMap((handling) => Effect.interruptible(Fiber.join(handling)))
    )

  const isFinal = (state: S) => Machine.isFinal(machine, state._tag)
  const changes = SubscriptionRef.changes(current).pipe(
    Stream.interruptWhen(Deferred.await(closed)),
    Stream.takeUntil(isFinal)
  )
  const state = SubscriptionRef.get(current)

  const actor: Actor<S, E> = {
    state,
    send,
    changes,
    awaitState: Effect.fnUntraced(function* <const T extends Machine.Tag<S>>(
      ...states: readonly [T, ...ReadonlyArray<T>]
    ) {
      const isAwaited = (reached: S): reached is Machine.Of<S, T> => states.some((tag) => tag === reached._tag)
      const reached = yield* changes.pipe(Stream.filter(isAwaited), Stream.runHead)
      if (Option.isSome(reached)) return reached.value
      const reason = { machine: machine.name, state: (yield* state)._tag, awaited: states }
      return yield* new MachineError({ reason: new Ended(reason) })
    }),
    ended: Stream.runDrain(changes).pipe(Effect.andThen(state)),
    history: Effect.sync(() => history.slice()),
    timeInState: Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(now - enteredAt))
  }

  yield* Effect.addFinalizer(() => Deferred.succeed(closed, undefined))
  yield* enter(initial)
  return actor
})

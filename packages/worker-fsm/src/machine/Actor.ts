/**
 * Runs a machine: handles its events one at a time, and binds each state's activity to that state.
 *
 * Invariants
 * - Events are handled in the order in which they were sent, one at a time.
 * - A state's activity, including its finalizers, has ended before another state is entered.
 * - A rejected event changes nothing.
 *
 * ```
 *   send ─▶ table ─▶ interrupt the old activity, await its finalizers ─▶ commit, publish ─▶ fork the new activity ─▶ reply
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Machine from "./Machine.ts"
import { MachineError } from "./MachineError.ts"
import { Ended } from "./MachineReason.ts"

/**
 * Runs while the machine is in a state: begins when the state is entered, and is interrupted when it is left, which closes
 * its scope. Entry effects are its first lines, exit effects its finalizers. It may end by returning the next event.
 *
 * A `send` that leaves the state interrupts the activity that waits for it, so it is the activity's last action. A
 * finalizer may send, but does not receive the result. Leaving waits for finalizers: limit those that may hang.
 */
export type Activity<State, S extends Machine.Tagged, E extends Machine.Tagged, Err, R> = (
  state: State,
  actor: Actor<S, E>
) => Effect.Effect<E | void, Err, R> | undefined

/** The activities of a machine: by state, or one function for all states. */
export type Activities<S extends Machine.Tagged, E extends Machine.Tagged, Err, R> =
  | { readonly [From in Machine.Tag<S>]?: Activity<Machine.Of<S, From>, S, E, Err, R> | undefined }
  | Activity<S, S, E, Err, R>

/** The effects of the activities, in either form. */
type Runs<A> = A extends (...args: never) => infer Run
  ? Run
  : { [From in keyof A]: A[From] extends ((...args: never) => infer Run) | undefined ? Run : never }[keyof A]

/** The errors of activities. */
export type Failure<A> =
  Runs<A> extends infer Run ? (Run extends Effect.Effect<infer _, infer Err, infer _> ? Err : never) : never

/** The services that activities require. */
export type Services<A> =
  Runs<A> extends infer Run ? (Run extends Effect.Effect<infer _, infer _, infer R> ? R : never) : never

/** Keeps the last state over restarts. It is responsible for encoding and for validating what it loads. */
export interface Store<S> {
  readonly load: Effect.Effect<Option.Option<S>>
  readonly save: (state: S) => Effect.Effect<void>
}

export interface ActorOptions<S extends Machine.Tagged, E extends Machine.Tagged, A, F extends E> {
  readonly activities?: (A & Activities<S, E, unknown, unknown>) | undefined
  /** The event that a failed or dying activity leads to. Without one the cause is logged and the state stays. */
  readonly failed?: ((cause: Cause.Cause<Failure<A>>, state: S) => F | undefined) | undefined
  /** Transitions that the history keeps. Default: 100. */
  readonly historySize?: number | undefined
  /** The machine begins in the stored state, and each state is saved before its activity begins. */
  readonly store?: Store<S> | undefined
}

/** A completed transition. */
export interface Transition<S, E> {
  readonly from: S
  readonly event: E
  readonly to: S
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The origin of the event, if the sender named it. */
  readonly cause: string | undefined
}

/** A running machine. */
export interface Actor<S extends Machine.Tagged, E extends Machine.Tagged> {
  readonly state: Effect.Effect<S>
  /**
   * Handles an event, and returns the state that it led to once that state was entered. Fails with `InvalidTransition`.
   * An event that was sent is handled even if its sender is interrupted.
   */
  readonly send: (event: E, options?: { readonly cause?: string | undefined }) => Effect.Effect<S, MachineError>
  /** Receives the current state, then every following one. Ends with the actor's scope, not with a final state. */
  readonly subscribe: Effect.Effect<PubSub.Subscription<S>, never, Scope.Scope>
  /** Waits until the machine is in one of the states. Fails with `Ended` if it ends in another one. */
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
const durations = Metric.histogram("machine_state_seconds", {
  description: "Time that a machine spent in a state, recorded when it leaves",
  boundaries: [0.01, 0.1, 1, 10, 60, 600, 3_600, 86_400]
})

/** One activity for all states, from either form. */
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
 * Starts a machine. Closing the scope interrupts the activity of the current state.
 *
 * @example
 * ```ts
 * const actor = yield* Actor.start(lamp, { activities: { On: () => Effect.as(Effect.sleep("1 hour"), { _tag: "Press" }) } })
 * yield* actor.send({ _tag: "Press" })
 * ```
 */
export const start = <S extends Machine.Tagged, E extends Machine.Tagged, A = object, const F extends E = E>(
  machine: Machine.Machine<S, E>,
  options: ActorOptions<S, E, A, F> = {}
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
    readonly store?: Store<S> | undefined
  },
  activity: Activity<S, S, E, Err, R>
): Effect.fn.Return<Actor<S, E>, never, Scope.Scope | Exclude<R, Scope.Scope>> {
  const scope = yield* Scope.Scope
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  let current = yield* restore(machine, options.store)
  const published = yield* PubSub.unbounded<S>({ replay: 1 })
  yield* PubSub.publish(published, current)
  const oneAtATime = yield* Semaphore.make(1)
  let isClosed = false
  const historySize = options.historySize ?? 100
  const history: Array<Transition<S, E>> = []
  let enteredAt = yield* Clock.currentTimeMillis
  let running: Fiber.Fiber<unknown> | undefined

  const enter = (state: S) =>
    Effect.sync(() => {
      running = Effect.runForkWith(context)(live(state)).pipe(Fiber.runIn(scope))
    })

  // The fiber of a state owns its scope, which closes inside the fiber when that is interrupted.
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
    const from = current
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
      yield* Metric.update(Metric.withAttributes(durations, inState), (at - enteredAt) / 1000)
      enteredAt = at
    }
    if (to !== from) {
      yield* save(machine, to, options.store)
      current = to
      yield* PubSub.publish(published, to)
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
      (handled) => oneAtATime.withPermit(handled),
      // In a fiber of the machine: it outlives a sender that is interrupted, even by this transition.
      Effect.forkIn(scope, { startImmediately: true }),
      // The machine waits for the activity of the state that it leaves. That activity must not wait for the machine, not
      // even in an uninterruptible region.
      Effect.flatMap((handling) => Effect.interruptible(Fiber.join(handling)))
    )

  const isFinal = (state: S) => Machine.isFinal(machine, state._tag)
  const subscribe = PubSub.subscribe(published)

  /** The first state from now on that matches; undefined if the machine ends before. */
  const firstState = <A extends S>(matches: (state: S) => state is A) =>
    Effect.gen(function* () {
      if (isClosed) return undefined
      const changes = yield* subscribe
      for (;;) {
        // `PubSub.take` is interrupted when the machine closes.
        const state = yield* Effect.catchCause(PubSub.take(changes), () => Effect.undefined)
        if (state === undefined || matches(state)) return state
        if (isFinal(state)) return undefined
      }
    }).pipe(Effect.scoped)

  const actor: Actor<S, E> = {
    state: Effect.sync(() => current),
    send,
    subscribe,
    awaitState: Effect.fnUntraced(function* <const T extends Machine.Tag<S>>(
      ...states: readonly [T, ...ReadonlyArray<T>]
    ) {
      const isAwaited = (reached: S): reached is Machine.Of<S, T> => states.some((tag) => tag === reached._tag)
      const reached = yield* firstState(isAwaited)
      if (reached !== undefined) return reached
      const reason = new Ended({ machine: machine.name, state: current._tag, awaited: states })
      return yield* new MachineError({ reason })
    }),
    ended: Effect.map(
      firstState((state): state is S => isFinal(state)),
      () => current
    ),
    history: Effect.sync(() => history.slice()),
    timeInState: Effect.map(Clock.currentTimeMillis, (now) => Duration.millis(now - enteredAt))
  }

  yield* Effect.addFinalizer(() => {
    isClosed = true
    return PubSub.shutdown(published)
  })
  yield* enter(current)
  return actor
})

/** The stored state, if there is one that the machine knows, or else the initial one. */
const restore = Effect.fnUntraced(function* <S extends Machine.Tagged, E extends Machine.Tagged>(
  { initial, name, table }: Machine.Machine<S, E>,
  store: Store<S> | undefined
) {
  const stored = store ? yield* store.load : Option.none()
  if (Option.isNone(stored)) return initial
  if (Object.hasOwn(table, stored.value._tag)) return stored.value
  yield* Effect.logWarning(`${name}: the stored state ${stored.value._tag} is unknown; starting in ${initial._tag}`)
  return initial
})

/** A failed save is logged: the machine continues. */
const save = <S extends Machine.Tagged, E extends Machine.Tagged>(
  machine: Machine.Machine<S, E>,
  state: S,
  store: Store<S> | undefined
) =>
  store
    ? Effect.catchCause(store.save(state), (cause) =>
        Effect.logWarning(`${machine.name}: the state ${state._tag} was not stored`, cause)
      )
    : Effect.void

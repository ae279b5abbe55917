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
import type { Cause, Duration, Effect, Option, Stream } from "effect"
import type * as Machine from "./Machine.ts"
import type { MachineError } from "./MachineError.ts"

/**
 * What runs while the machine is in a state. It begins when the state is entered and is interrupted when it is left, and
 * its scope closes then: entry effects are its first lines, exit effects its finalizers. It may end by returning the
 * event that it leads to.
 *
 * A `send` that leaves the state interrupts the activity that waits for it: it is the last thing that activity does. A
 * finalizer must not send.
 *
 * @category models
 * @since 0.1.0
 */
export type Activity<State, S extends Machine.Tagged, E extends Machine.Tagged, Err, R> = (
  state: State,
  actor: Actor<S, E>
) => Effect.Effect<E | void, Err, R>

/**
 * For each state, its activity.
 *
 * @category models
 * @since 0.1.0
 */
export type Activities<S extends Machine.Tagged, E extends Machine.Tagged, Err, R> = {
  readonly [From in Machine.Tag<S>]?: Activity<Machine.Of<S, From>, S, E, Err, R> | undefined
}

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
export interface Options<S extends Machine.Tagged, E extends Machine.Tagged, Err = never, R = never> {
  readonly activities?: Activities<S, E, Err, R> | undefined
  /** The event that a failed or dying activity leads to. Without one the cause is logged and the state stays. */
  readonly failed?: ((cause: Cause.Cause<Err>, state: S) => E | undefined) | undefined
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

/**
 * The package for programs that do not use Effect: promises, async iterables, `AbortSignal` and `await using`.
 *
 * @since 0.1.0
 */
import { Cause, Context, Effect, Layer, ManagedRuntime, Stream } from "effect"
import * as Actor from "./Actor.ts"
import { makePromiseRunner } from "./internal/promiseRunner.ts"
import type * as Machine from "./Machine.ts"
import { Closed, InvalidOption, MachineError } from "./MachineError.ts"
import { WorkerLifecycle } from "./WorkerLifecycle.ts"
import { type WorkerEvent, WorkerMachine, type WorkerState } from "./WorkerMachine.ts"
import type { WorkerTiming } from "./WorkerTiming.ts"

/**
 * What an async activity gets beside its state. The signal aborts when the state is left; code that ignores it goes on.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncActivityContext<S, E> {
  readonly signal: AbortSignal
  readonly send: (event: E) => Promise<S>
}

/**
 * For each state, what runs in it. It may end with the event that it leads to.
 *
 * @category models
 * @since 0.1.0
 */
export type AsyncActivities<S extends Machine.Tagged, E extends Machine.Tagged> = {
  readonly [From in Machine.Tag<S>]?: (
    state: Machine.Of<S, From>,
    context: AsyncActivityContext<S, E>
  ) => Promise<E | void> | E | void
}

/**
 * A running machine. Promises reject with `MachineError`, whose reason is `Closed` after disposal, and with
 * `signal.reason` after an abort.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncActor<S extends Machine.Tagged, E extends Machine.Tagged> extends AsyncDisposable {
  readonly state: () => S
  readonly send: (event: E, options?: { readonly cause?: string; readonly signal?: AbortSignal }) => Promise<S>
  readonly awaitState: <const T extends Machine.Tag<S>>(
    ...states: readonly [T, ...ReadonlyArray<T>]
  ) => Promise<Machine.Of<S, T>>
  /** The current state, then every one that follows; ends after a final state. */
  readonly changes: () => AsyncIterable<S>
  readonly history: () => ReadonlyArray<Actor.Transition<S, E>>
}

/**
 * Starts a machine. Disposing of it aborts the activity of the state that it is in. Rejects with `InvalidOption` when
 * `activities` names a state that the machine does not have.
 *
 * @category constructors
 * @since 0.1.0
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- F keeps the tag that `failed` returns a literal
export const createActor = async <S extends Machine.Tagged, E extends Machine.Tagged, const F extends E = E>(
  machine: Machine.Machine<S, E>,
  options: {
    readonly activities?: AsyncActivities<S, E>
    /** The event that a rejected activity leads to. Without one the error is logged and the state stays. */
    readonly failed?: (error: unknown, state: S) => F | undefined
    /** Transitions that the history keeps; 100 unless told. */
    readonly historySize?: number
  } = {}
): Promise<AsyncActor<S, E>> => {
  checkActivities(machine, options.activities)
  const Running = Context.Service<Actor.Actor<S, E>>("@opencode-worker/worker-fsm/Running")
  const running = Actor.start(machine, {
    activities: fromAsync(options.activities ?? {}),
    failed: (cause, state) => options.failed?.(Cause.squash(cause), state),
    historySize: options.historySize
  })
  const runtime = ManagedRuntime.make(Layer.effect(Running, running))
  return toAsync(runtime, machine, await runtime.runPromise(Running))
}

/**
 * Starts a worker's life. See `WorkerLifecycle`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const createWorkerLifecycle = async (
  options: WorkerTiming & { readonly activities?: AsyncActivities<WorkerState, WorkerEvent> } = {}
): Promise<
  AsyncActor<WorkerState, WorkerEvent> & {
    /** Waits until the worker has stopped, and says why and with which exit code. */
    readonly stopped: () => Promise<Machine.Of<WorkerState, "Stopped">>
  }
> => {
  checkActivities(WorkerMachine, options.activities)
  const activities = fromAsync(options.activities ?? {})
  const runtime = ManagedRuntime.make(WorkerLifecycle.layer({ ...options, activities }))
  const lifecycle = await runtime.runPromise(WorkerLifecycle)
  const actor = toAsync(runtime, WorkerMachine, lifecycle)
  return { ...actor, stopped: () => actor.awaitState("Stopped") }
}

/** For callers whose types are not checked. */
const checkActivities = <S extends Machine.Tagged, E extends Machine.Tagged>(
  machine: Machine.Machine<S, E>,
  activities: object | undefined
): void => {
  for (const [state, activity] of Object.entries(activities ?? {})) {
    checkState("activities", machine, state)
    if (typeof activity !== "function") throw invalid(`activities.${state}`, "a function", activity)
  }
}

const checkState = <S extends Machine.Tagged, E extends Machine.Tagged>(
  option: string,
  { table }: Machine.Machine<S, E>,
  state: string
): void => {
  if (!Object.hasOwn(table, state)) throw invalid(option, `one of the states ${Object.keys(table).join(", ")}`, state)
}

const invalid = (option: string, expected: string, actual: unknown) =>
  new MachineError({ reason: new InvalidOption({ option, expected, actual: String(actual) }) })

const fromAsync =
  <S extends Machine.Tagged, E extends Machine.Tagged>(activities: AsyncActivities<S, E>) =>
  (state: S, actor: Actor.Actor<S, E>): Effect.Effect<E | void> | undefined => {
    type AnyActivity = (state: S, context: AsyncActivityContext<S, E>) => Promise<E | void> | E | void
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- found by its own tag, it takes this state
    const run = (activities as object as Readonly<Record<string, AnyActivity | undefined>>)[state._tag]
    const send = (event: E) => Effect.runPromise(actor.send(event))
    return run && Effect.promise(async (signal) => run(state, { signal, send }))
  }

const toAsync = <S extends Machine.Tagged, E extends Machine.Tagged, R>(
  runtime: ManagedRuntime.ManagedRuntime<R, never>,
  machine: Machine.Machine<S, E>,
  actor: Actor.Actor<S, E>
): AsyncActor<S, E> => {
  const runner = makePromiseRunner(runtime, () => new MachineError({ reason: new Closed({ machine: machine.name }) }))
  return {
    state: () => Effect.runSync(actor.state),
    send: (event, options) => runner.run(actor.send(event, options), options),
    awaitState: async (...states) => {
      for (const state of states) checkState("awaitState", machine, state)
      return runner.run(actor.awaitState(...states))
    },
    changes: () => Stream.toAsyncIterable(actor.changes),
    history: () => Effect.runSync(actor.history),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

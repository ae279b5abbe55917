/**
 * The package for programs that do not use Effect: promises, async iterables, `AbortSignal` and `await using`.
 *
 * @since 0.1.0
 */
import { Cause, Context, Effect, Layer, ManagedRuntime, Stream } from "effect"
import * as Actor from "./Actor.ts"
import type * as Machine from "./Machine.ts"
import { WorkerLifecycle } from "./WorkerLifecycle.ts"
import type { WorkerEvent, WorkerState } from "./WorkerMachine.ts"
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
 * A running machine. Promises reject with `MachineError` where the Effect would fail with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface AsyncActor<S extends Machine.Tagged, E extends Machine.Tagged> extends AsyncDisposable {
  readonly state: () => S
  readonly send: (event: E, options?: { readonly cause?: string }) => Promise<S>
  readonly awaitState: <const T extends Machine.Tag<S>>(
    ...states: readonly [T, ...ReadonlyArray<T>]
  ) => Promise<Machine.Of<S, T>>
  /** The current state, then every one that follows; ends after a final state. */
  readonly changes: () => AsyncIterable<S>
  readonly history: () => ReadonlyArray<Actor.Transition<S, E>>
}

/**
 * Starts a machine. Disposing of it aborts the activity of the state that it is in.
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
  const Running = Context.Service<Actor.Actor<S, E>>("@opencode-worker/worker-fsm/Running")
  const running = Actor.start(machine, {
    activities: fromAsync(options.activities ?? {}),
    failed: (cause, state) => options.failed?.(Cause.squash(cause), state),
    historySize: options.historySize
  })
  const runtime = ManagedRuntime.make(Layer.effect(Running, running))
  return toAsync(runtime, await runtime.runPromise(Running))
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
  const activities = fromAsync(options.activities ?? {})
  const runtime = ManagedRuntime.make(WorkerLifecycle.layer({ ...options, activities }))
  const lifecycle = await runtime.runPromise(WorkerLifecycle)
  return {
    ...toAsync(runtime, lifecycle),
    stopped: () => runtime.runPromise(lifecycle.stopped)
  }
}

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
  actor: Actor.Actor<S, E>
): AsyncActor<S, E> => ({
  state: () => runtime.runSync(actor.state),
  send: (event, options) => runtime.runPromise(actor.send(event, options)),
  awaitState: (...states) => runtime.runPromise(actor.awaitState(...states)),
  changes: () => Stream.toAsyncIterable(actor.changes),
  history: () => runtime.runSync(actor.history),
  [Symbol.asyncDispose]: () => runtime.dispose()
})

/** The parts of the async entries: activities and actors as promises. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import type * as Actor from "./Actor.ts"
import { checkState } from "./checkOptions.ts"
import * as Machine from "./Machine.ts"
import { MachineError } from "./MachineError.ts"
import { Closed } from "./MachineReason.ts"
import { makePromiseRunner } from "./promiseRunner.ts"

/** The second argument of an async activity. The signal aborts when the state is left; code that ignores it continues. */
export interface AsyncActivityContext<S, E> {
  readonly signal: AbortSignal
  readonly send: (event: E) => Promise<S>
}

/** For each state, the function that runs in it. It may end with the next event. */
export type AsyncActivities<S extends Machine.Tagged, E extends Machine.Tagged> = {
  readonly [From in Machine.Tag<S>]?: (
    state: Machine.Of<S, From>,
    context: AsyncActivityContext<S, E>
  ) => Promise<E | void> | E | void
}

/**
 * A running machine. Promises reject with `MachineError`, whose reason is `Closed` after disposal, and with
 * `signal.reason` after an abort.
 */
export interface AsyncActor<S extends Machine.Tagged, E extends Machine.Tagged> extends AsyncDisposable {
  readonly state: () => S
  readonly send: (event: E, options?: { readonly cause?: string; readonly signal?: AbortSignal }) => Promise<S>
  readonly awaitState: <const T extends Machine.Tag<S>>(
    ...states: readonly [T, ...ReadonlyArray<T>]
  ) => Promise<Machine.Of<S, T>>
  /** The current state, then every following one. Ends after a final state, and on disposal. */
  readonly changes: () => AsyncIterable<S>
  readonly history: () => ReadonlyArray<Actor.Transition<S, E>>
}

export const fromAsync =
  <S extends Machine.Tagged, E extends Machine.Tagged>(activities: AsyncActivities<S, E>) =>
  (state: S, actor: Actor.Actor<S, E>): Effect.Effect<E | void> | undefined => {
    type AnyActivity = (state: S, context: AsyncActivityContext<S, E>) => Promise<E | void> | E | void
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- found by its own tag, it takes this state
    const run = (activities as object as Readonly<Record<string, AnyActivity | undefined>>)[state._tag]
    const send = (event: E) => Effect.runPromise(actor.send(event))
    return run && Effect.promise(async (signal) => run(state, { signal, send }))
  }

export const toAsync = <S extends Machine.Tagged, E extends Machine.Tagged, R>(
  runtime: ManagedRuntime.ManagedRuntime<R, never>,
  machine: Machine.Machine<S, E>,
  actor: Actor.Actor<S, E>
): AsyncActor<S, E> => {
  const runner = makePromiseRunner(runtime, () => new MachineError({ reason: new Closed({ machine: machine.name }) }))
  const changes = async function* () {
    const scope = Scope.makeUnsafe()
    try {
      const states = await runner.run(Scope.provide(actor.subscribe, scope))
      for (;;) {
        const state = await Effect.runPromise(Effect.catchCause(PubSub.take(states), () => Effect.undefined))
        if (state === undefined) return
        yield state
        if (Machine.isFinal(machine, state._tag)) return
      }
    } finally {
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
  return {
    state: () => Effect.runSync(actor.state),
    send: (event, options) => runner.run(actor.send(event, options), options),
    awaitState: async (...states) => {
      for (const state of states) checkState("awaitState", machine, state)
      return runner.run(actor.awaitState(...states))
    },
    changes,
    history: () => Effect.runSync(actor.history),
    [Symbol.asyncDispose]: runner[Symbol.asyncDispose]
  }
}

/** Machines for programs without Effect: promises, async iterables, `AbortSignal` and `await using`. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Actor from "./Actor.ts"
import { checkActivities, checkOptions } from "./checkOptions.ts"
import type * as Machine from "./Machine.ts"
import { type AsyncActivities, type AsyncActor, fromAsync, toAsync } from "./promises.ts"

export * as Machine from "./Machine.ts"
export * from "./MachineError.ts"
export * as MachineReason from "./MachineReason.ts"
export type { AsyncActivities, AsyncActivityContext, AsyncActor } from "./promises.ts"

export interface AsyncActorOptions<S extends Machine.Tagged, E extends Machine.Tagged, F extends E = E> {
  readonly activities?: AsyncActivities<S, E>
  /** The event that follows a rejected activity. Without one the error is logged and the state stays. */
  readonly failed?: (error: unknown, state: S) => F | undefined
  /** Transitions that the history keeps. Default: 100. */
  readonly historySize?: number
}

/**
 * Starts a machine. Disposing of it aborts the activity of the current state. Rejects with `InvalidOption` if an option is
 * unknown or of the wrong type, or if `activities` names a state that the machine does not have.
 *
 * @example
 * ```ts
 * await using actor = await createActor(lamp, { activities: { On: async () => { await sleep(1000); return { _tag: "Press" } } } })
 * await actor.send({ _tag: "Press" })
 * ```
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- F keeps the tag that `failed` returns a literal
export const createActor = async <S extends Machine.Tagged, E extends Machine.Tagged, const F extends E = E>(
  machine: Machine.Machine<S, E>,
  options: AsyncActorOptions<S, E, F> = {}
): Promise<AsyncActor<S, E>> => {
  checkOptions(options, { activities: "an object", failed: "a function", historySize: "a number" })
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

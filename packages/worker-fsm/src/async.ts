/** The worker's lifecycle for programs without Effect. */
import * as ManagedRuntime from "effect/ManagedRuntime"
import { checkActivities, checkOptions } from "./machine/checkOptions.ts"
import type * as Machine from "./machine/Machine.ts"
import { type AsyncActivities, type AsyncActor, fromAsync, toAsync } from "./machine/promises.ts"
import { WorkerLifecycle } from "./WorkerLifecycle.ts"
import { type WorkerEvent, WorkerMachine, type WorkerState } from "./WorkerMachine.ts"
import { defaultTiming, type WorkerTiming } from "./WorkerTiming.ts"

export { exitCodes, type ExitReason, type WorkerEvent, type WorkerState } from "./WorkerMachine.ts"
export * from "./machine/MachineError.ts"
export * as MachineReason from "./machine/MachineReason.ts"

export interface WorkerLifecycleOptions extends WorkerTiming {
  readonly activities?: AsyncActivities<WorkerState, WorkerEvent>
}

export interface AsyncWorkerLifecycle extends AsyncActor<WorkerState, WorkerEvent> {
  /** Waits until the worker has stopped, and returns the reason and the exit code. */
  readonly stopped: () => Promise<Machine.Of<WorkerState, "Stopped">>
}

/**
 * Starts a worker's lifecycle. See `WorkerLifecycle`. Rejects with `InvalidOption` if an option is unknown or of the wrong
 * type.
 *
 * @example
 * ```ts
 * await using lifecycle = await createWorkerLifecycle({ activities: { Connecting: async () => ({ _tag: "Connected" }) } })
 * await lifecycle.send({ _tag: "Start" })
 * ```
 */
export const createWorkerLifecycle = async (options: WorkerLifecycleOptions = {}): Promise<AsyncWorkerLifecycle> => {
  const durations = Object.fromEntries(Object.keys(defaultTiming).map((name) => [name, "a duration"]))
  checkOptions(options, { ...durations, activities: "an object", maxRecoveries: "a number" })
  checkActivities(WorkerMachine, options.activities)
  const activities = fromAsync(options.activities ?? {})
  const runtime = ManagedRuntime.make(WorkerLifecycle.layer({ ...options, activities }))
  const lifecycle = await runtime.runPromise(WorkerLifecycle)
  const actor = toAsync(runtime, WorkerMachine, lifecycle)
  return { ...actor, stopped: () => actor.awaitState("Stopped") }
}

/**
 * Runs the worker's machine, and adds what the table cannot hold: time. Recovery waits, doubled and jittered; draining
 * and closing have limits, so that a worker that was told to stop always stops.
 *
 * @since 0.1.0
 */
import { Cause, Context, Effect, Layer, Random, type Scope } from "effect"
import * as Actor from "./Actor.ts"
import type * as Machine from "./Machine.ts"
import { type WorkerEvent, WorkerMachine, type WorkerState } from "./WorkerMachine.ts"
import { timer, type WorkerTiming } from "./WorkerTiming.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkerLifecycleOptions<Err = never, R = never> extends WorkerTiming {
  /**
   * What the worker does in each state. An activity of `Draining` that returns counts as `Drained`, one of `Stopping`,
   * `Fenced` or `Failed` as `Closed`; any other may return the event that it leads to. One that fails counts as a
   * temporary failure.
   */
  readonly activities?: Actor.Activities<WorkerState, WorkerEvent, Err, R> | undefined
}

/** The event that the end of a state's activity stands for, where it stands for one. */
const completed = (state: WorkerState): WorkerEvent | undefined => {
  switch (state._tag) {
    case "Draining":
      return { _tag: "Drained" }
    case "Stopping":
    case "Fenced":
    case "Failed":
      return { _tag: "Closed" }
    default:
      return undefined
  }
}

const failed = (cause: Cause.Cause<unknown>, state: WorkerState): WorkerEvent =>
  completed(state) ?? {
    _tag: "Fail",
    reason: "Temporary",
    detail: Cause.prettyErrors(cause)[0]?.message ?? "an activity failed"
  }

/**
 * The life of this worker.
 *
 * @category services
 * @since 0.1.0
 */
export class WorkerLifecycle extends Context.Service<
  WorkerLifecycle,
  Actor.Actor<WorkerState, WorkerEvent> & {
    /** Waits until the worker has stopped, and says why and with which exit code. */
    readonly stopped: Effect.Effect<Machine.Of<WorkerState, "Stopped">>
  }
>()("@opencode-worker/worker-fsm/WorkerLifecycle") {
  static readonly layer = <Err = never, R = never>(
    options: WorkerLifecycleOptions<Err, R> = {}
  ): Layer.Layer<WorkerLifecycle, never, Exclude<R, Scope.Scope>> => Layer.effect(WorkerLifecycle, make(options))
}

const make = Effect.fnUntraced(function* <Err, R>(options: WorkerLifecycleOptions<Err, R>) {
  const own = Actor.asActivity(options.activities)

  const activity = Effect.fnUntraced(function* (state: WorkerState, actor: Actor.Actor<WorkerState, WorkerEvent>) {
    const next = timer(state, options, yield* Random.next)
    if (next) {
      yield* actor.send(next.event, { cause: "timer" }).pipe(Effect.delay(next.after), Effect.ignore, Effect.forkScoped)
    }
    const running = own(state, actor)
    return running && ((yield* running) || completed(state))
  })

  const actor = yield* Actor.start(WorkerMachine, { activities: activity, failed })
  // Ended elsewhere means that the layer was closed under a worker that had not stopped.
  const stopped = actor.awaitState("Stopped").pipe(Effect.catchTag("MachineError", () => Effect.interrupt))
  return WorkerLifecycle.of({ ...actor, stopped })
})

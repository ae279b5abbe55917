/**
 * Runs the worker's machine, and adds time, which the table cannot contain: recovery waits with jittered exponential
 * backoff; draining and closing have limits, so that a worker that was asked to stop always stops.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Actor from "./machine/Actor.ts"
import * as Machine from "./machine/Machine.ts"
import { type WorkerEvent, WorkerMachine, type WorkerState } from "./WorkerMachine.ts"
import { timer, type WorkerTiming } from "./WorkerTiming.ts"

export interface WorkerLifecycleOptions<Err = never, R = never> extends WorkerTiming {
  /**
   * The work of each state. An activity of `Draining` that returns counts as `Drained`, one of `Stopping`, `Fenced` or
   * `Failed` as `Closed`; any other may return the next event. One that fails counts as a temporary failure.
   */
  readonly activities?: Actor.Activities<WorkerState, WorkerEvent, Err, R> | undefined
}

/** The event that the end of a state's activity counts as, if any. */
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

/** The lifecycle of this worker. */
export class WorkerLifecycle extends Context.Service<
  WorkerLifecycle,
  Actor.Actor<WorkerState, WorkerEvent> & {
    /** The current state, then every following one. Ends after `Stopped`. */
    readonly changes: Stream.Stream<WorkerState>
    /** Waits until the worker has stopped, and returns the reason and the exit code. */
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
  const changes = Stream.unwrap(Effect.map(actor.subscribe, Stream.fromSubscription)).pipe(
    Stream.takeUntil(({ _tag }) => Machine.isFinal(WorkerMachine, _tag))
  )
  // `Ended` means that the layer was closed before the worker had stopped.
  const stopped = actor.awaitState("Stopped").pipe(Effect.catchTag("MachineError", () => Effect.interrupt))
  return WorkerLifecycle.of({ ...actor, changes, stopped })
})

/** @since 0.1.0 */
import { Context, type Duration, type Effect, type Layer, type Scope } from "effect"
import type * as Actor from "./Actor.ts"
import type * as Machine from "./Machine.ts"
import type { WorkerEvent, WorkerState } from "./WorkerMachine.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface WorkerLifecycleOptions<Err = never, R = never> {
  /**
   * What the worker does in each state. An activity of `Draining` that returns counts as `Drained`, one of `Stopping`,
   * `Fenced` or `Failed` as `Closed`; any other may return the event that it leads to. One that fails counts as a
   * temporary failure.
   */
  readonly activities?: Actor.Activities<WorkerState, WorkerEvent, Err, R> | undefined
  /** Wait before the first recovery; doubled each time, and jittered. 250 milliseconds unless told. */
  readonly recoveryDelay?: Duration.Input | undefined
  /** Longest wait before a recovery; 30 seconds unless told. */
  readonly maxRecoveryDelay?: Duration.Input | undefined
  /** Recoveries in a row before the worker gives up; without a limit unless told. */
  readonly maxRecoveries?: number | undefined
  /** Serving for so long makes the next failure count as the first; 30 seconds unless told. */
  readonly settleAfter?: Duration.Input | undefined
  /** Longest wait for running turns when asked to stop; 30 seconds unless told. */
  readonly drainTimeout?: Duration.Input | undefined
  /** Longest time to let go of everything; 10 seconds unless told. `Stopped` is reached then in any case. */
  readonly closeTimeout?: Duration.Input | undefined
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
  static readonly layer: <Err = never, R = never>(
    options?: WorkerLifecycleOptions<Err, R>
  ) => Layer.Layer<WorkerLifecycle, never, Exclude<R, Scope.Scope>>
}

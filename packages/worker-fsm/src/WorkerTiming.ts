/**
 * What a worker does by itself after a while, as arithmetic.
 *
 * @since 0.1.0
 */
import { Duration } from "effect"
import type { WorkerEvent, WorkerState } from "./WorkerMachine.ts"

/**
 * The worker's patience.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkerTiming {
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
 * What a state does by itself after a while: `Recovering` tries again or gives up, a state that serves well settles, and
 * draining and closing end. `random` is in [0, 1); delays are in milliseconds and never above their cap.
 *
 * @category transitions
 * @since 0.1.0
 */
export const timer = (
  state: WorkerState,
  timing: WorkerTiming,
  random: number
): { readonly after: Duration.Input; readonly event: WorkerEvent } | undefined => {
  switch (state._tag) {
    case "Recovering": {
      if (state.attempt > (timing.maxRecoveries ?? Infinity)) {
        return { after: 0, event: { _tag: "GiveUp" } }
      }
      const first = Duration.toMillis(timing.recoveryDelay ?? "250 millis")
      const longest = Duration.toMillis(timing.maxRecoveryDelay ?? "30 seconds")
      const delay = Math.min(longest, first * 2 ** (state.attempt - 1))
      // Half of the delay is random, so that workers that lost the same deployment do not come back as one.
      return { after: delay * (0.5 + random / 2), event: { _tag: "Retry" } }
    }
    case "Ready":
    case "Paused":
      return state.attempt === 0 ? undefined : { after: timing.settleAfter ?? "30 seconds", event: { _tag: "Settled" } }
    case "Draining":
      return { after: timing.drainTimeout ?? "30 seconds", event: { _tag: "Drained" } }
    case "Stopping":
    case "Fenced":
    case "Failed":
      return { after: timing.closeTimeout ?? "10 seconds", event: { _tag: "Closed" } }
    default:
      return undefined
  }
}

/** The timed transitions of a worker, as arithmetic. */
import * as Duration from "effect/Duration"
import type { WorkerEvent, WorkerState } from "./WorkerMachine.ts"

export interface WorkerTiming {
  /** Wait before the first recovery; doubled each time, and jittered. Default: 250 milliseconds. */
  readonly recoveryDelay?: Duration.Input | undefined
  /** Longest wait before a recovery. Default: 30 seconds. */
  readonly maxRecoveryDelay?: Duration.Input | undefined
  /** Consecutive recoveries before the worker fails. Default: no limit. */
  readonly maxRecoveries?: number | undefined
  /** After serving for this long, the next failure counts as the first. Default: 30 seconds. */
  readonly healthyAfter?: Duration.Input | undefined
  /** Longest wait for running turns after a request to stop. Default: 30 seconds. */
  readonly drainTimeout?: Duration.Input | undefined
  /** Longest time to release resources; `Stopped` is reached afterwards in any case. Default: 10 seconds. */
  readonly closeTimeout?: Duration.Input | undefined
}

export const defaultTiming = {
  recoveryDelay: "250 millis",
  maxRecoveryDelay: "30 seconds",
  healthyAfter: "30 seconds",
  drainTimeout: "30 seconds",
  closeTimeout: "10 seconds"
} as const

/**
 * The event that a state leads to after a while: `Recovering` retries or fails, a state that serves is healthy, and
 * draining and closing end. `random` is in [0, 1).
 */
export const timer = (
  state: WorkerState,
  timing: WorkerTiming,
  random: number
): { readonly after: Duration.Input; readonly event: WorkerEvent } | undefined => {
  const duration = (name: keyof typeof defaultTiming) => timing[name] ?? defaultTiming[name]
  switch (state._tag) {
    case "Recovering": {
      if (state.attempt > (timing.maxRecoveries ?? Infinity)) return { after: 0, event: { _tag: "GiveUp" } }
      const first = Duration.toMillis(duration("recoveryDelay"))
      const delay = Math.min(Duration.toMillis(duration("maxRecoveryDelay")), first * 2 ** (state.attempt - 1))
      // Half of the delay is random, so that workers that lost the same deployment do not reconnect at once.
      return { after: delay * (0.5 + random / 2), event: { _tag: "Retry" } }
    }
    case "Ready":
    case "Paused":
      return state.attempt === 0 ? undefined : { after: duration("healthyAfter"), event: { _tag: "Healthy" } }
    case "Draining":
      return { after: duration("drainTimeout"), event: { _tag: "Drained" } }
    case "Stopping":
    case "Fenced":
    case "Failed":
      return { after: duration("closeTimeout"), event: { _tag: "Closed" } }
    default:
      return undefined
  }
}

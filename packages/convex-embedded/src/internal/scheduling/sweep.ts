/**
 * Removes expired rows in the background, in small steps with pauses, so that requests of clients do not wait long.
 */
import type { SweepPosition } from "../values/calls.ts"
import type { Executor } from "../threads/executor.ts"

const PAUSE_MILLIS = 100
const SWEEP_MILLIS = 3_600_000

/** Sweeps immediately, and then every hour. Returns a function that stops it. */
export const sweep = (executor: Executor, what: "sweepJobs" | "sweepAnswers"): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const step = async (from: SweepPosition | null): Promise<void> => {
    // If the store fails, for example because the disk is full, the next sweep tries again.
    const next = await executor.call(what, from).catch(() => null)
    if (closed) return
    timer = setTimeout(() => void step(next), next === null ? SWEEP_MILLIS : PAUSE_MILLIS).unref()
  }
  void step(null)
  return () => {
    closed = true
    clearTimeout(timer)
  }
}

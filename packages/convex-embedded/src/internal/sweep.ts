/**
 * Removes in the background what is kept for a time only. In small steps with pauses between them, so that nobody waits
 * long for a turn, however much there is.
 */
import type { Executor } from "./executor.ts"

/** How far a sweep has come: values that say where in its order it goes on, `null` for its beginning and its end. */
export type Place = ReadonlyArray<string | number>

const PAUSE_MILLIS = 100
const SWEEP_MILLIS = 3_600_000

/** Sweeps at once, and then each hour. Gives what ends it. */
export const sweep = (executor: Executor, what: "forgetJobs" | "forgetAnswers"): (() => void) => {
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const step = async (from: Place | null): Promise<void> => {
    // A store that refuses, for instance because the disk is full, is asked again with the next sweep.
    const next = await executor.perform(what, from).catch(() => null)
    if (closed) return
    timer = setTimeout(() => void step(next), next === null ? SWEEP_MILLIS : PAUSE_MILLIS).unref()
  }
  void step(null)
  return () => {
    closed = true
    clearTimeout(timer)
  }
}

/**
 * When a server that failed may be started again. Pure.
 *
 * ```
 * failures within the window   1      2    3    4    … limit
 * next start after it          0.5 s  1 s  2 s  4 s  … given up: none until `retryAfter`, then one try a failure
 * ```
 *
 * A success resets nothing: a server that starts well and dies a minute later, again and again, is given up too.
 * Failures are forgotten by age alone.
 */
import * as Duration from "effect/Duration"
import type { RestartOptions } from "../../OpenCodeHostOptions.ts"

export interface Failure {
  /** Epoch ms. */
  readonly at: number
  /** A sentence. */
  readonly why: string
  /** Whether it was a start that exceeded its time limit. */
  readonly timedOut: boolean
}

/** Times in ms. */
export interface RestartPolicy {
  readonly limit: number
  readonly within: number
  readonly retryAfter: number
}

export const restartPolicy = (options: RestartOptions = {}): RestartPolicy => ({
  limit: options.limit ?? 5,
  within: Duration.toMillis(Duration.fromInputUnsafe(options.within ?? "10 minutes")),
  retryAfter: Duration.toMillis(Duration.fromInputUnsafe(options.retryAfter ?? "1 minute"))
})

export type RestartDecision =
  | { readonly _tag: "Start"; readonly delayMillis: number }
  | { readonly _tag: "GivenUp"; readonly retryMillis: number }

const firstDelayMillis = 500
const maxDelayMillis = 30_000

export const recent = (failures: ReadonlyArray<Failure>, policy: RestartPolicy, now: number) =>
  failures.filter(({ at }) => at > now - policy.within)

/** The decision about a start now, from the failures so far, oldest first. The delay is without its jitter. */
export const restartDecision = (
  failures: ReadonlyArray<Failure>,
  policy: RestartPolicy,
  now: number
): RestartDecision => {
  const counted = recent(failures, policy, now)
  const last = counted.at(-1)
  if (last === undefined) return { _tag: "Start", delayMillis: 0 }
  const elapsed = now - last.at
  if (counted.length >= policy.limit) {
    return elapsed >= policy.retryAfter
      ? { _tag: "Start", delayMillis: 0 }
      : { _tag: "GivenUp", retryMillis: policy.retryAfter - elapsed }
  }
  const delay = Math.min(firstDelayMillis * 2 ** (counted.length - 1), maxDelayMillis)
  return { _tag: "Start", delayMillis: Math.max(0, delay - elapsed) }
}

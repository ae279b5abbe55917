/** Decides when an idle server is ended: unused for long, too large, or too old. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RecycleOptions } from "../../OpenCodeHostOptions.ts"
import { residentBytes } from "../process/processes.ts"

export interface RecyclingOptions {
  readonly idleTimeout?: Duration.Input | undefined
  readonly recycle?: RecycleOptions | undefined
}

/** How the server is used, changed in place by the supervisor. */
export interface Usage {
  /** Calls and turns that run. */
  inFlight: number
  /** Epoch ms of the last use, or of the last event that was no heartbeat. */
  lastAt: number
  /** Whether anything was asked of the server since its start. */
  used: boolean
}

export type RecyclingReason = "idle" | "memory" | "age"

const every = Duration.seconds(1)
/** A pause between two calls is no idleness: so long nothing may happen before a server is replaced. */
const quietMillis = 3_000

const millis = (input: Duration.Input | undefined) =>
  input === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(Duration.fromInputUnsafe(input))

/**
 * Completes with the reason when the server should go. `isBusy` asks the server, so it is asked last. `claim` must take
 * the server out of use at once; it returns false if another fiber was faster.
 *
 * A server that was not used since its start is never too large: a limit below what OpenCode needs to start would
 * otherwise restart it indefinitely.
 */
export const recycling = Effect.fnUntraced(function* (options: {
  readonly limits: RecyclingOptions
  readonly pid: number | undefined
  readonly startedAt: number
  readonly usage: Usage
  readonly isBusy: Effect.Effect<boolean>
  readonly claim: (why: RecyclingReason) => boolean
}) {
  const { usage, pid, startedAt, claim, isBusy } = options
  const idleMillis = millis(options.limits.idleTimeout)
  const { memory = Number.POSITIVE_INFINITY, age } = options.limits.recycle ?? {}
  const ageMillis = millis(age)
  if (pid === undefined || ![idleMillis, memory, ageMillis].some(Number.isFinite)) return yield* Effect.never

  const due = Effect.gen(function* (): Effect.fn.Return<RecyclingReason | undefined> {
    const now = yield* Clock.currentTimeMillis
    const quiet = usage.inFlight === 0 ? now - usage.lastAt : 0
    if (quiet >= idleMillis) return "idle"
    if (quiet < quietMillis) return undefined
    if (now - startedAt >= ageMillis) return "age"
    return usage.used && Number.isFinite(memory) && (yield* residentBytes(pid)) > memory ? "memory" : undefined
  })

  while (true) {
    yield* Effect.sleep(every)
    const reason = yield* due
    if (reason === undefined) continue
    const { lastAt } = usage
    if (yield* isBusy) continue
    if (usage.inFlight === 0 && usage.lastAt === lastAt && claim(reason)) return reason
  }
})

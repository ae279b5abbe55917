/** Waits with a limit. */
import { Duration, Effect, Option, Schedule, Schema } from "effect"

/** A condition did not hold in time, or a process ended first. */
export class NotReached extends Schema.TaggedError<NotReached>()("NotReached", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

/** A loaded machine boots OpenCode slowly. A condition that does not hold by then never holds. */
const patience: Duration.Input = "3 minutes"

export interface Waiting {
  /** Default: 3 minutes. */
  readonly limit?: Duration.Input | undefined
  /** Interval of the checks. Default: 20 milliseconds. */
  readonly every?: Duration.Input | undefined
}

export const within = <A, E, R>(what: string, wait: Effect.Effect<A, E, R>, limit: Duration.Input = patience) =>
  Effect.timeoutOrElse(wait, {
    duration: limit,
    orElse: () => new NotReached({ problem: `Waited ${Duration.format(Duration.fromInputUnsafe(limit))} for ${what}` })
  })

/** Repeats a cheap check until it returns a value. */
export const until = <A, E, R>(what: string, look: Effect.Effect<Option.Option<A>, E, R>, waiting: Waiting = {}) => {
  const schedule = Schedule.spaced(waiting.every ?? "20 millis")
  const found = Effect.repeat(look, { until: Option.isSome, schedule })
  return within(what, Effect.map(found, Option.getOrThrow), waiting.limit)
}

/** `until` for a boolean condition. */
export const untilTrue = <E, R>(what: string, look: Effect.Effect<boolean, E, R>, waiting?: Waiting) =>
  until(
    what,
    Effect.map(look, (is) => (is ? Option.some(undefined) : Option.none())),
    waiting
  )

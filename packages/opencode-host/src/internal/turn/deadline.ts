/** The time limit of a turn. It stands still while the turn waits for a person. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A turn that waits at its deadline is looked at again after this time. Milliseconds. */
const lookAgain = 1_000

/** `limit`: undefined for none. */
export const makeDeadline = Effect.fnUntraced(function* (limit: Duration.Input | undefined) {
  const clock = yield* Clock.Clock
  const now = () => clock.currentTimeMillisUnsafe()
  const startedAt = now()
  const millis = limit === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(limit)
  /** Milliseconds of the waits that are over. */
  let waited = 0
  let waitsSince: number | undefined
  const at = () => startedAt + millis + waited + (waitsSince === undefined ? 0 : now() - waitsSince)

  const passed: Effect.Effect<void> = Effect.suspend(() => {
    if (millis === Number.POSITIVE_INFINITY) return Effect.never
    const left = at() - now()
    if (left <= 0 && waitsSince === undefined) return Effect.void
    return Effect.andThen(Effect.sleep(left <= 0 ? lookAgain : left), passed)
  })

  return {
    /** Epoch milliseconds, if the turn waits no longer than now. */
    at,
    setWaiting: (waits: boolean) => {
      if (waits) waitsSince ??= now()
      else if (waitsSince !== undefined) {
        waited += now() - waitsSince
        waitsSince = undefined
      }
    },
    /** Completes at the deadline. */
    passed
  }
})

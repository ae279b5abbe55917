import { Duration, Effect } from "effect"
import type { Options } from "../SessionPool.ts"
import { SessionPoolError } from "../SessionPoolError.ts"
import { InvalidOption } from "../SessionPoolReason.ts"

const invalid = (option: string, expected: string, actual: unknown) =>
  new SessionPoolError({ reason: new InvalidOption({ option, expected, actual: String(actual) }) })

/** For callers whose types are not checked. Throws `SessionPoolError`. */
export const checkFunction = (option: string, actual: unknown): void => {
  if (typeof actual !== "function") throw invalid(option, "a function", actual)
}

const check = (option: string, actual: number, minimum: number, infinite: boolean) => {
  if ((Number.isInteger(actual) || (infinite && actual === Infinity)) && actual >= minimum) return Effect.void
  const expected = `${infinite ? "an integer or Infinity" : "an integer"}, at least ${minimum}`
  return Effect.fail(invalid(option, expected, actual))
}

/** The options with their defaults; fails with the first one that is out of its range. */
export const resolve = Effect.fnUntraced(function* <K, A, E, R>(options: Options<K, A, E, R>) {
  const { capacity, concurrency = 1, maxWaiting = Infinity, name = "default" } = options
  const timeToLive = yield* Effect.try({
    try: () => Duration.toMillis(options.idleTimeToLive ?? Duration.infinity),
    catch: () => invalid("idleTimeToLive", "a duration", options.idleTimeToLive)
  })
  yield* check("capacity", capacity, 1, false)
  yield* check("concurrency", concurrency, 1, true)
  yield* check("maxWaiting", maxWaiting, 0, true)
  yield* check("idleTimeToLive (in milliseconds)", Math.floor(timeToLive), 1, true)
  return { capacity, concurrency, maxWaiting, name, timeToLive }
})

import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { SessionPoolError } from "../SessionPoolError.ts"
import { InvalidOption } from "../SessionPoolReason.ts"

const invalid = (option: string, expected: string, actual: unknown) =>
  new SessionPoolError({ reason: new InvalidOption({ option, expected, actual: String(actual) }) })

const check = (option: string, actual: number, minimum: number, infinite: boolean) => {
  if ((Number.isInteger(actual) || (infinite && actual === Infinity)) && actual >= minimum) return Effect.void
  const expected = `${infinite ? "an integer or Infinity" : "an integer"}, at least ${minimum}`
  return Effect.fail(invalid(option, expected, actual))
}

/** The options with their defaults. Fails with the first one that is out of range. */
export const resolve = Effect.fnUntraced(function* (options: {
  readonly capacity: number
  readonly concurrency?: number | undefined
  readonly maxWaiting?: number | undefined
  readonly idleTimeToLive?: Duration.Input | undefined
  readonly name?: string | undefined
}) {
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

type Expected = "a function" | "a number" | "a string"

export const checkType = (option: string, expected: Expected, actual: unknown): void => {
  if (`a ${typeof actual}` !== expected) throw invalid(option, expected, actual)
}

const types: Readonly<Record<string, Expected>> = {
  open: "a function",
  close: "a function",
  onEvent: "a function",
  capacity: "a number",
  concurrency: "a number",
  maxWaiting: "a number",
  idleTimeToLive: "a number",
  name: "a string"
}
const required = ["open", "capacity"]

/** For callers without type checks: throws `InvalidOption` for an option that is unknown, missing or of the wrong type. */
export const checkOptions = (options: object): void => {
  if (typeof options !== "object" || options === null) throw invalid("options", "an object", options)
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(types, name)) throw invalid(name, `one of ${Object.keys(types).join(", ")}`, "unknown")
  }
  const values: Readonly<Record<string, unknown>> = { ...options }
  for (const [name, expected] of Object.entries(types)) {
    if (values[name] !== undefined || required.includes(name)) checkType(name, expected, values[name])
  }
}

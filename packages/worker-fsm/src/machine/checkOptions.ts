/** For callers without type checks: these functions throw `InvalidOption`. */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as Machine from "./Machine.ts"
import { MachineError } from "./MachineError.ts"
import { InvalidOption } from "./MachineReason.ts"

const invalid = (option: string, expected: string, actual: unknown) =>
  new MachineError({ reason: new InvalidOption({ option, expected, actual: String(actual) }) })

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- fromInput returns none for any other value
const isDuration = (value: unknown) => Option.isSome(Duration.fromInput(value as Duration.Input))

export const checkOptions = (options: object, types: Readonly<Record<string, string>>): void => {
  if (typeof options !== "object" || options === null) throw invalid("options", "an object", options)
  for (const [name, value] of Object.entries<unknown>({ ...options })) {
    const expected = Object.hasOwn(types, name) ? types[name] : undefined
    if (expected === undefined) throw invalid(name, `one of ${Object.keys(types).join(", ")}`, "unknown")
    if (value === undefined) continue
    const hasType = expected === "a duration" ? isDuration(value) : expected.endsWith(` ${typeof value}`)
    if (!hasType || value === null) throw invalid(name, expected, value)
  }
}

export const checkActivities = <S extends Machine.Tagged, E extends Machine.Tagged>(
  machine: Machine.Machine<S, E>,
  activities: object | undefined
): void => {
  for (const [state, activity] of Object.entries(activities ?? {})) {
    checkState("activities", machine, state)
    if (typeof activity !== "function") throw invalid(`activities.${state}`, "a function", activity)
  }
}

export const checkState = <S extends Machine.Tagged, E extends Machine.Tagged>(
  option: string,
  { table }: Machine.Machine<S, E>,
  state: string
): void => {
  if (!Object.hasOwn(table, state)) throw invalid(option, `one of the states ${Object.keys(table).join(", ")}`, state)
}

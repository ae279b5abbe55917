import { ModelCacheError } from "../ModelCacheError.ts"
import { InvalidOption } from "../ModelCacheReason.ts"

const types = {
  fetch: "a function",
  freshFor: "a number",
  timeout: "a number",
  onChange: "a function",
  storage: "an object"
} as const

const invalid = (option: string, expected: string, actual: unknown) =>
  new ModelCacheError({ reason: new InvalidOption({ option, expected, actual: String(actual) }) })

const check = (option: string, expected: string, actual: unknown): void => {
  if (!expected.endsWith(` ${typeof actual}`) || actual === null) throw invalid(option, expected, actual)
  if (typeof actual === "number" && !(actual > 0)) throw invalid(option, "above 0", actual)
}

/** For callers without type checks: throws `InvalidOption` for an option that is unknown, missing or of the wrong type. */
export const checkOptions = (options: object): void => {
  check("options", "an object", options)
  const given: Readonly<Record<string, unknown>> = { ...options }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(types, name)) throw invalid(name, `one of ${Object.keys(types).join(", ")}`, "unknown")
  }
  for (const [name, expected] of Object.entries(types)) {
    if (given[name] !== undefined || name === "fetch") check(name, expected, given[name])
  }
  if (given["storage"] === undefined) return
  const storage: { readonly read?: unknown; readonly write?: unknown } = Object(given["storage"])
  check("storage.read", "a function", storage.read)
  check("storage.write", "a function", storage.write)
}

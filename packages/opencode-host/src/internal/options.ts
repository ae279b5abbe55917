/** Checks the arguments of callers whose types are not checked. No error shows a value that may be a secret. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { HostError } from "../HostError.ts"
import { InvalidOption } from "../HostErrorReason.ts"
import type { PromptFile, PromptInput, TurnBudget, TurnInput } from "../OpenCodeClient.ts"
import type { OpenCodeHostOptions, RecycleOptions, RestartOptions } from "../OpenCodeHostOptions.ts"

/** The first fault of the value that the option has, if any. */
type Rule = (value: unknown, option: string) => InvalidOption | undefined
type Rules<A> = { readonly [Name in keyof A]-?: Rule }

/** Fails with `InvalidOption`, which names the field. */
export const checkOptions = (options: unknown) => check(optionRules, options)

/** As `checkOptions`. */
export const checkPrompt = (input: unknown) => check(promptRules, input)

/** As `checkOptions`. */
export const checkTurn = (input: TurnInput) =>
  Effect.flatMap(check(turnRules, input), () =>
    input.command !== undefined && input.steer === true
      ? new HostError({
          reason: new InvalidOption({ option: "steer", expected: "false with a command", actual: "true" })
        })
      : Effect.void
  )

const check = (rules: Readonly<Record<string, Rule>>, value: unknown): Effect.Effect<void, HostError> =>
  Effect.suspend(() => {
    const reason = faultOf(rules, value, "")
    return reason === undefined ? Effect.void : new HostError({ reason })
  })

const faultOf = (rules: Readonly<Record<string, Rule>>, value: unknown, prefix: string) => {
  for (const [name, rule] of Object.entries(rules)) {
    const fault = rule(Predicate.hasProperty(value, name) ? value[name] : undefined, `${prefix}${name}`)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Names the type of a value: a wrong option may be a secret in the wrong place. */
const kindOf = (value: unknown): string => {
  if (value === undefined || value === null) return String(value)
  if (value === "") return "an empty string"
  if (Array.isArray(value)) return "an array"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** For options that hold no secret. */
const shown = (value: unknown): string => {
  if (Predicate.isString(value)) return JSON.stringify(value.slice(0, 80))
  return Predicate.isNumber(value) || Predicate.isBoolean(value) ? String(value) : kindOf(value)
}

const rule =
  (expected: string, accepts: (value: unknown) => boolean, describe: (value: unknown) => string = kindOf): Rule =>
  (value, option) =>
    accepts(value) ? undefined : new InvalidOption({ option, expected, actual: describe(value) })

const optional =
  (inner: Rule): Rule =>
  (value, option) =>
    value === undefined ? undefined : inner(value, option)

const isRecord = (value: unknown) => Predicate.isObject(value) && !Array.isArray(value)
const record = rule("an object", isRecord)

const group =
  <A>(rules: Rules<A>): Rule =>
  (value, option) =>
    record(value, option) ?? faultOf(rules, value, `${option}.`)

/** Of an array, or of the values of an object. */
const each =
  (container: Rule, inner: Rule): Rule =>
  (value, option) => {
    const fault = container(value, option)
    if (fault !== undefined || !Predicate.isObjectOrArray(value)) return fault
    for (const [key, item] of Object.entries(value)) {
      const found = inner(item, `${option}.${key}`)
      if (found !== undefined) return found
    }
    return undefined
  }

const text = rule("a string", Predicate.isString)
const filled = rule("a string that is not empty", (value) => Predicate.isString(value) && value !== "")
const flag = rule("true or false", Predicate.isBoolean)
const list = rule("an array", Array.isArray)
const isDuration = (value: unknown) => {
  const parsed: Option.Option<unknown> = Reflect.apply(Duration.fromInput, undefined, [value])
  return Option.isSome(parsed)
}
const duration = rule('a duration, as in "5 seconds" or as a number of milliseconds', isDuration, shown)
const positive = rule("a number greater than 0", (value) => Predicate.isNumber(value) && value > 0, shown)
const count = rule(
  "an integer or Infinity, at least 1",
  (value) => Predicate.isNumber(value) && (Number.isInteger(value) || value === Infinity) && value >= 1,
  shown
)
const mediaType = rule(
  "a media type without parameters, as in image/png",
  (value) => Predicate.isString(value) && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(value)
)
const bytes = rule("a Uint8Array", (value) => value instanceof Uint8Array)
const httpUrl = rule("a URL that begins with http:// or https://", (value) => {
  const url = Predicate.isString(value) ? URL.parse(value) : null
  return url?.protocol === "http:" || url?.protocol === "https:"
})
const secret = rule("a string or a Redacted string", (value) =>
  Predicate.isString(Redacted.isRedacted(value) ? Redacted.value(value) : value)
)
const startKind = rule('"lazy" or "eager"', (value) => value === "lazy" || value === "eager", shown)
const projectConfig = rule('"all", "harmless" or an object with a fingerprint as "trusted"', (value) =>
  Predicate.isString(value)
    ? value === "all" || value === "harmless"
    : Predicate.hasProperty(value, "trusted") && isRecord(value.trusted)
)

const optionRules: Rules<OpenCodeHostOptions> = {
  directory: filled,
  binary: optional(filled),
  allowUntestedVersion: optional(flag),
  environment: optional(each(record, text)),
  config: optional(record),
  alwaysAsk: optional(flag),
  deniedPaths: optional(each(list, filled)),
  contain: optional(flag),
  projectConfig: optional(projectConfig),
  start: optional(startKind),
  startTimeout: optional(duration),
  restart: optional(
    group<RestartOptions>({ limit: optional(count), within: optional(duration), retryAfter: optional(duration) })
  ),
  idleTimeout: optional(duration),
  recycle: optional(group<RecycleOptions>({ memory: optional(positive), age: optional(duration) })),
  stopTimeout: optional(duration),
  attach: optional(
    group<NonNullable<OpenCodeHostOptions["attach"]>>({ url: httpUrl, username: optional(filled), password: secret })
  ),
  stateDirectory: optional(filled)
}

const promptRules: Rules<PromptInput> = {
  sessionId: filled,
  messageId: filled,
  partId: filled,
  text,
  files: optional(each(list, group<PromptFile>({ name: filled, type: mediaType, bytes }))),
  model: optional(filled),
  agent: optional(filled),
  variant: optional(filled),
  system: optional(text)
}

const turnRules: Rules<TurnInput> = {
  ...promptRules,
  messageId: optional(filled),
  partId: optional(filled),
  steer: optional(flag),
  command: optional(filled),
  leaveAsking: optional(flag),
  budget: optional(group<TurnBudget>({ cost: optional(positive), tokens: optional(positive) })),
  deadline: optional(duration)
}

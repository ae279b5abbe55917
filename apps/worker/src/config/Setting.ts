/** A setting: its type, its description, and how it is read as a flag, a variable and a value of the configuration file. */
import { Option, Schema } from "effect"
import { Flag } from "effect/cli"

export interface Setting<A> {
  readonly description: string
  /** Of its value in the configuration file. */
  readonly schema: Schema.Codec<A, A>
  /** The value without any source. */
  readonly fallback: A | undefined
  readonly flag: (name: string) => Flag.Flag<Option.Option<A>>
  /** The value of a variable, or none for a text of another type. */
  readonly parse: (text: string) => Option.Option<A>
}

export type Settings = Readonly<Record<string, Setting<unknown>>>

/** The values of settings: undefined without a source and a fallback. */
export type Values<S extends Settings> = {
  readonly [Name in keyof S]: S[Name] extends Setting<infer A> ? A | undefined : never
}

/** `askTimeout` -> `ask-timeout` */
export const flagOf = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** `askTimeout` -> `OPENCODE_WORKER_ASK_TIMEOUT` */
export const variableOf = (name: string): string => `OPENCODE_WORKER_${flagOf(name).replaceAll("-", "_").toUpperCase()}`

interface TextOptions {
  readonly metavar?: string
  readonly alias?: string
  readonly fallback?: string
  /** The message for a text that is not accepted. */
  readonly check?: { readonly accepts: (text: string) => boolean; readonly message: (text: string) => string }
}

export const text = (description: string, options: TextOptions = {}): Setting<string> => {
  const { alias, check, fallback, metavar } = options
  const described = Schema.String.annotate({ description })
  return {
    description,
    fallback,
    schema:
      check === undefined
        ? described
        : described.check(Schema.makeFilter((value) => (check.accepts(value) ? undefined : check.message(value)))),
    flag: (name) => {
      const plain = Flag.String(name).pipe(Flag.withDescription(description))
      const named = metavar === undefined ? plain : Flag.withMetavar(plain, metavar)
      const checked =
        check === undefined
          ? named
          : Flag.filterMap(
              named,
              (value) => (check.accepts(value) ? Option.some(value) : Option.none()),
              (value) => check.message(value)
            )
      return Flag.optional(alias === undefined ? checked : Flag.withAlias(checked, alias))
    },
    parse: (value) => (check === undefined || check.accepts(value) ? Option.some(value) : Option.none())
  }
}

export const choice = <const A extends string>(
  description: string,
  values: readonly [A, ...ReadonlyArray<A>],
  fallback?: A
): Setting<A> => ({
  description,
  fallback,
  schema: Schema.Literals(values).annotate({ description }),
  flag: (name) => Flag.Literals(name, values).pipe(Flag.withDescription(description), Flag.optional),
  parse: (value) => Option.fromUndefinedOr(values.find((one) => one === value))
})

const booleans: Readonly<Record<string, boolean>> = { "1": true, true: true, "0": false, false: false }

export const toggle = (description: string, fallback?: boolean): Setting<boolean> => ({
  description,
  fallback,
  schema: Schema.Boolean.annotate({ description }),
  flag: (name) => Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.optional),
  parse: (value) => Option.fromUndefinedOr(booleans[value.toLowerCase()])
})

/** The flags of settings. */
export const flagsFor = <S extends Settings>(settings: S) =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one flag per setting
  Object.fromEntries(Object.entries(settings).map(([name, setting]) => [name, setting.flag(flagOf(name))])) as {
    readonly [Name in keyof S]: S[Name] extends Setting<infer A> ? Flag.Flag<Option.Option<A>> : never
  }

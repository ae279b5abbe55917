/** Merges the sources of settings: flags, then variables, then the configuration file, then the fallback. Pure. */
import { Option, Result } from "effect"
import { flagOf, type Settings, type Values, variableOf } from "./Setting.ts"

/** A part of the configuration file. */
export interface FilePart {
  /** The place that `config print` shows. */
  readonly origin: string
  readonly values: Readonly<Record<string, unknown>>
}

export interface Sources {
  readonly flags: Readonly<Record<string, Option.Option<unknown>>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The parts of the file that apply, the first of them first. */
  readonly file: ReadonlyArray<FilePart>
}

export interface Resolved<S extends Settings> {
  readonly values: Values<S>
  /** Where each value comes from: `--url`, `OPENCODE_WORKER_URL`, a part of the file, or `default`. */
  readonly origins: { readonly [Name in keyof S]: string }
}

interface Found {
  readonly value: unknown
  readonly origin: string
}

/** Fails with a sentence if a variable has a value that its setting does not accept. */
export const resolve = <const S extends Settings>(
  settings: S,
  sources: Sources
): Result.Result<Resolved<S>, string> => {
  const find = (name: string, setting: Settings[string]): Result.Result<Found, string> => {
    const flag = Option.getOrUndefined(sources.flags[name] ?? Option.none())
    if (flag !== undefined) return Result.succeed({ value: flag, origin: `--${flagOf(name)}` })
    const variable = variableOf(name)
    const text = sources.environment[variable] ?? ""
    if (text !== "") {
      return Option.match(setting.parse(text), {
        onNone: () => Result.fail(`${variable} is "${text}", which is not accepted. ${setting.description}.`),
        onSome: (value: unknown) => Result.succeed({ value, origin: variable })
      })
    }
    const part = sources.file.find(({ values }) => values[name] !== undefined)
    return Result.succeed(
      part === undefined
        ? { value: setting.fallback, origin: "default" }
        : { value: part.values[name], origin: part.origin }
    )
  }
  const found: Array<readonly [string, Found]> = []
  for (const [name, setting] of Object.entries(settings)) {
    const one = find(name, setting)
    if (Result.isFailure(one)) return Result.fail(one.failure)
    found.push([name, one.success])
  }
  const pick = (field: keyof Found) => Object.fromEntries(found.map(([name, one]) => [name, one[field]]))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each value was accepted by its setting
  return Result.succeed({ values: pick("value"), origins: pick("origin") } as unknown as Resolved<S>)
}

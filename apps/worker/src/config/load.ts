/** Reads the configuration of `start` from all of its sources. */
import { homedir } from "node:os"
import { dirname, join, resolve as absolute } from "node:path"
import { Effect, FileSystem, Option, Result } from "effect"
import { UserDirectories } from "effect/persistence"
import { configError } from "../AppError.ts"
import { type ConfigFile, parseConfig } from "./ConfigFile.ts"
import { type FilePart, resolve, type Sources } from "./resolve.ts"
import type { Values } from "./Setting.ts"
import { directorySettings, place, processSettings } from "./settings.ts"

export interface Loaded {
  /** The file that was read, if there is one. */
  readonly file: string | undefined
  readonly process: Values<typeof processSettings>
  readonly processOrigins: Readonly<Record<string, string>>
  readonly directories: ReadonlyArray<LoadedDirectory>
}

export interface LoadedDirectory {
  readonly values: Values<typeof directorySettings> & { readonly directory: string }
  readonly origins: Readonly<Record<string, string>>
}

export interface LoadOptions {
  readonly flags: Sources["flags"]
  /** The file to read. Default: the one in the user's configuration directory, if it exists. */
  readonly config: Option.Option<string>
}

const fileName = "config.jsonc"

const defaultFile = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* Effect.option(
    UserDirectories.UserDirectories.use((directories) => directories.config("opencode-worker"))
  )
  if (Option.isNone(folder)) return undefined
  const file = join(folder.value, fileName)
  // A program that runs as another user keeps the HOME of the first one.
  const isThere = yield* fs
    .exists(file)
    .pipe(
      Effect.mapError(() =>
        configError(
          `The folder ${folder.value} cannot be read: set HOME, or XDG_CONFIG_HOME, to a folder of this user.`
        )
      )
    )
  return isThere ? file : undefined
})

const read = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs
    .readFileString(file)
    .pipe(Effect.mapError(() => configError(`The configuration file ${file} cannot be read: check --config.`)))
  return yield* Effect.fromResult(Result.mapError(parseConfig(text, file), configError))
})

/** Settings of the file that are paths, relative to the file. */
const paths: ReadonlySet<string> = new Set(["directory", "data", "opencode", "pairingCodeFile"])

const expand = (path: string, folder: string): string =>
  path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : absolute(folder, path)

const withPaths = (values: Readonly<Record<string, unknown>>, file: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      paths.has(name) && typeof value === "string" ? expand(value, dirname(file)) : value
    ])
  )

/** A directory that the file names, with the part of the file that is about it. */
interface Entry {
  readonly directory: string
  readonly part: FilePart | undefined
}

const entriesOf = (file: string | undefined, content: ConfigFile): ReadonlyArray<Entry> =>
  (content.directories ?? []).map((values, index) => {
    const resolved = withPaths(values, file ?? ".")
    return {
      directory: String(resolved["directory"]),
      part: { origin: `${file}: directories.${index}`, values: resolved }
    }
  })

export const load = Effect.fnUntraced(function* ({ config, flags }: LoadOptions) {
  const environment = process.env
  const variable = environment["OPENCODE_WORKER_CONFIG"] ?? ""
  const given = Option.orElse(config, () => (variable === "" ? Option.none() : Option.some(variable)))
  const file = Option.isSome(given) ? absolute(given.value) : yield* defaultFile
  const content: ConfigFile = file === undefined ? {} : yield* read(file)
  const top: FilePart = { origin: file ?? "", values: withPaths(content, file ?? ".") }
  const resolved = <const S extends Parameters<typeof resolve>[0]>(settings: S, parts: ReadonlyArray<FilePart>) =>
    Effect.fromResult(Result.mapError(resolve(settings, { flags, environment, file: parts }), configError))

  const {
    origins: { directory: placeOrigin },
    values: { directory: named }
  } = yield* resolved(place, [])
  const entries = entriesOf(file, content)
  const chosen = named === undefined ? undefined : absolute(named)
  const wanted: ReadonlyArray<Entry> =
    chosen !== undefined
      ? [entries.find(({ directory }) => directory === chosen) ?? { directory: chosen, part: undefined }]
      : content.directories === undefined
        ? [{ directory: absolute("."), part: undefined }]
        : entries
  if (wanted.length === 0) return yield* configError(`${file} has no directories: add one, or remove "directories".`)
  const twice = wanted.find(
    (entry, index) => wanted.findIndex(({ directory }) => directory === entry.directory) < index
  )
  if (twice !== undefined) return yield* configError(`${file} names the directory ${twice.directory} twice.`)

  const ofProcess = yield* resolved(processSettings, [top])
  const directories = yield* Effect.forEach(wanted, ({ directory, part }) =>
    Effect.map(resolved(directorySettings, part === undefined ? [top] : [part, top]), ({ origins, values }) => ({
      values: { ...values, directory },
      origins: {
        ...origins,
        directory: chosen === undefined ? (part?.origin ?? "default") : placeOrigin
      }
    }))
  )
  return {
    file,
    process: ofProcess.values,
    processOrigins: ofProcess.origins,
    directories
  } satisfies Loaded
})

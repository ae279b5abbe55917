/**
 * The deployments that this user is signed in to, each as a device with a key of its own, or by a command that prints tokens.
 *
 * ```
 * <state>/contexts/<name>/context.json   the address of the deployment, and the command for tokens
 *                         device.json    the key of this device, readable only by its owner
 *         current-context.json           the context that commands use by default
 * ```
 */
import { makePrivateFolder } from "@opencode-worker/convex-embedded/private-files"
import { Effect, FileSystem, Option, Path, Schema } from "effect"
import { UserDirectories } from "effect/persistence"
import { configError, usageError } from "../AppError.ts"
import { fromStateError } from "./DataFolder.ts"
import * as PrivateFile from "./PrivateFile.ts"

export interface Context {
  readonly name: string
  readonly url: string
  /** The file of the device's key. */
  readonly key: string
  /** The command line that prints a token, in place of a device. */
  readonly tokenCommand: string | undefined
}

const File = Schema.Struct({ url: Schema.String, tokenCommand: Schema.optionalKey(Schema.String) })
const Current = Schema.Struct({ name: Schema.String })

const noHome = configError("There is no home directory for your sign-ins: set HOME.")

const stateFolder = Effect.flatMap(UserDirectories.UserDirectories, ({ state }) =>
  Effect.mapError(state("opencode-worker"), () => noHome)
)
const folder = Effect.gen(function* () {
  const path = yield* Path.Path
  return path.join(yield* stateFolder, "contexts")
})

const isName = (name: string) => /^[\w.-]{1,80}$/.test(name) && !/^\.+$/.test(name)

/** The name of a deployment's context: its host, and its port if it has one. */
export const nameOf = (url: string): string =>
  new URL(url).host.replace("[", "ip6-").replace("]", "").replaceAll(":", "-")

const pathsOf = Effect.fnUntraced(function* (name: string) {
  if (!isName(name))
    return yield* usageError(`"${name}" cannot be the name of a context: use letters, digits, - and _.`)
  const path = yield* Path.Path
  const own = path.join(yield* folder, name)
  return { own, file: path.join(own, "context.json"), key: path.join(own, "device.json") }
})

/** None if there is no context of this name. */
export const read = Effect.fnUntraced(function* (name: string) {
  const { file, key } = yield* pathsOf(name)
  const found = yield* PrivateFile.read(file, File)
  return Option.map(found, ({ tokenCommand, url }): Context => ({ name, url, key, tokenCommand }))
})

export const list = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fs.readDirectory(yield* folder), (): ReadonlyArray<string> => [])
  const found = yield* Effect.forEach(names.filter(isName).toSorted(), read)
  return found.flatMap(Option.toArray)
})

const currentFile = Effect.gen(function* () {
  const path = yield* Path.Path
  return path.join(yield* stateFolder, "current-context.json")
})

/** The context that commands use by default. A user without a home directory has none. */
export const current = Effect.gen(function* () {
  if (Option.isNone(yield* Effect.option(folder))) return Option.none<Context>()
  const chosen = yield* PrivateFile.read(yield* currentFile, Current)
  return Option.isNone(chosen) ? Option.none<Context>() : yield* read(chosen.value.name)
})

export const use = Effect.fnUntraced(function* (name: string) {
  if (Option.isNone(yield* read(name))) {
    return yield* usageError(`There is no context ${name}: opencode-worker context ls lists yours.`)
  }
  yield* PrivateFile.write(yield* currentFile, Current, { name })
})

const privateFolder = (path: string) =>
  Effect.try({ try: () => makePrivateFolder(path, () => true), catch: fromStateError })

/** Creates the folder of a context, or returns the one that exists. */
export const prepare = Effect.fnUntraced(function* (name: string) {
  const { key, own } = yield* pathsOf(name)
  yield* privateFolder(yield* folder)
  yield* privateFolder(own)
  return key
})

/** Stores a context, and makes it the current one. */
export const save = Effect.fnUntraced(function* (name: string, url: string, tokenCommand?: string) {
  const { file } = yield* pathsOf(name)
  yield* PrivateFile.write(file, File, { url, ...(tokenCommand !== undefined && { tokenCommand }) })
  yield* use(name)
})

/** Removes a context with its key. */
export const remove = Effect.fnUntraced(function* (name: string) {
  const fs = yield* FileSystem.FileSystem
  const { own } = yield* pathsOf(name)
  yield* fs.remove(own, { recursive: true, force: true })
})

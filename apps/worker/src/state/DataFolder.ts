/**
 * The folder that keeps a worker's state between two starts. Only its owner can read it: the mode of an open folder is
 * restricted with a warning, and files of other users are refused.
 *
 * ```
 * <data>/deployment/         the embedded Convex deployment (SQLite)
 *        operator.json       the local operator's device and its private key
 *        worker-<hash>.json  a worker's id and secret, one file per hosted directory and deployment
 *        worker-<hash>.json.undo/  undos that a redo takes back, or that a process left in the middle
 *        trusted-<hash>.json the OpenCode configuration of a directory that its user trusts
 *        port.json           the port of the last start
 *        demo/               the offline demo's own OpenCode home and sample project
 * ```
 */
import { createHash } from "node:crypto"
import { makePrivateFolder } from "@opencode-worker/convex-embedded/private-files"
import { Effect, FileSystem, Option, Path } from "effect"
import { UserDirectories } from "effect/persistence"
import { AppError, configError } from "../AppError.ts"
import { fromEmbeddedError } from "../local/EmbeddedError.ts"

export interface DataFolder {
  readonly root: string
  readonly deployment: string
  readonly operator: string
  /** The credentials of the worker in a directory, at the embedded deployment or at another one. */
  readonly worker: (directory: string, url?: string) => string
  /** The trust in the configuration of a directory. */
  readonly trust: (directory: string) => string
  readonly demo: string
  /** The port of the last start. */
  readonly port: string
}

/** Eight hex digits that distinguish directories of the same name. */
const fingerprint = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 8)

/** The maximum length of a file name in bytes is 143 on eCryptfs, and 255 on most file systems. */
const longestName = 140

/** The name of a directory's data folder: readable if the file system allows its length. */
const nameOf = (name: string, directory: string) =>
  `${Buffer.byteLength(name) + 9 > longestName ? "directory" : name}-${fingerprint(directory)}`

const noHome = configError("There is no home directory for the data folder: set HOME, or give a folder with --data.")

/** Entries by which a folder is recognised as a data folder. */
const isOurs = (name: string) => /^(deployment|demo|operator\.json|port\.json|worker-[0-9a-f]{8}\.json)$/.test(name)

/** The parent of the data folders without `--data`. */
const stateDirectory = Effect.flatMap(UserDirectories.UserDirectories, (directories) =>
  directories.state("opencode-worker")
)

/** The folders with the secrets of this user's workers: this data folder and the others. */
export const dataFolders = (folder: DataFolder) =>
  Effect.match(stateDirectory, {
    onSuccess: (state) => [folder.root, state],
    onFailure: () => [folder.root]
  })

/** The error of a folder that the user did not choose by a flag. */
export const fromStateError = (error: unknown): AppError => {
  const { exitCode, text } = fromEmbeddedError(error)
  return new AppError({ exitCode, text: `${text} It is in your state directory: set XDG_STATE_HOME, or HOME.` })
}

export interface FolderOptions {
  readonly data: Option.Option<string>
  readonly directory: string
  readonly demo: boolean
}

const rootOf = Effect.fnUntraced(function* ({ data, demo, directory }: FolderOptions) {
  const path = yield* Path.Path
  if (Option.isSome(data)) return path.resolve(data.value)
  const state = yield* Effect.mapError(stateDirectory, () => noHome)
  return path.join(state, demo ? "demo" : nameOf(path.basename(directory), directory))
})

const deploymentIn = (root: string) => Effect.map(Path.Path, (path) => path.join(root, "deployment"))

/** Whether the folder of these options has a deployment, readable or not. */
export const hasDeployment = Effect.fnUntraced(function* (options: FolderOptions) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.exists(yield* deploymentIn(yield* rootOf(options)))
})

/** The folder in the user's state directory whose deployment a process serves at this address. */
export const servedFolder = Effect.fnUntraced(function* (url: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const state = yield* Effect.mapError(stateDirectory, () => noHome)
  const { findHolder } = yield* Effect.promise(() => import("@opencode-worker/convex-embedded/holder"))
  for (const name of yield* Effect.orElseSucceed(fs.readDirectory(state), () => [])) {
    const root = path.join(state, name)
    const deployment = yield* deploymentIn(root)
    // A folder that another user prepared is none of ours.
    const holder = yield* Effect.option(Effect.try(() => findHolder(deployment)))
    if (Option.isSome(holder) && holder.value?.url === url) return Option.some(root)
  }
  return Option.none<string>()
})

/** Fails if the folder of these options has no deployment. */
export const existingDataFolder = Effect.fnUntraced(function* (options: FolderOptions) {
  if (yield* hasDeployment(options)) return yield* dataFolder(options)
  return yield* configError(
    `There is no deployment in ${yield* rootOf(options)}: start it with opencode-worker dev, or name another one with --url or --data.`
  )
})

/** The folder given, or one below the user's state directory: one for the demo, else one for each hosted directory. */
export const dataFolder = Effect.fnUntraced(function* (options: FolderOptions) {
  const path = yield* Path.Path
  const root = yield* rootOf(options)
  const deployment = yield* deploymentIn(root)
  const notice = yield* Effect.try({
    try: () => makePrivateFolder(root, isOurs),
    catch: Option.isSome(options.data) ? fromEmbeddedError : fromStateError
  })
  if (notice !== null) yield* Effect.logWarning(notice)
  return {
    root,
    deployment,
    operator: path.join(root, "operator.json"),
    worker: (directory, url) =>
      path.join(root, `worker-${fingerprint(url === undefined ? directory : `${directory} ${url}`)}.json`),
    trust: (directory) => path.join(root, `trusted-${fingerprint(directory)}.json`),
    demo: path.join(root, "demo"),
    port: path.join(root, "port.json")
  } satisfies DataFolder
})

/**
 * Where a worker keeps what it must remember between two starts. Everything in it is readable by its owner alone.
 *
 * ```
 * <data>/deployment/         the embedded Convex deployment (SQLite)
 *        operator.json       the local operator's signing key
 *        worker-<hash>.json  a worker's id and secret, one file a hosted directory and deployment
 *        demo/               the offline demo's own OpenCode home and sample project
 * ```
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { Effect, FileSystem, Option, Path } from "effect"
import { UserDirectories } from "effect/persistence"
import { configuration } from "./AppError.ts"

export interface DataFolder {
  readonly root: string
  readonly deployment: string
  readonly operator: string
  /** The credentials of the worker in a directory, at the embedded deployment or at another one. */
  readonly worker: (directory: string, url?: string) => string
  readonly demo: string
}

/** Eight hex digits that tell two directories of the same name apart. */
const fingerprint = (text: string) => createHash("sha256").update(text).digest("hex").slice(0, 8)

const unusable = (root: string) =>
  configuration(`The data folder ${root} cannot be created or written: give another one with --data.`)

/**
 * The folder given, or one below the user's state directory: one for the demo, else one for each hosted directory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dataFolder = Effect.fnUntraced(function* (options: {
  readonly data: Option.Option<string>
  readonly directory: string
  readonly demo: boolean
}) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = Option.isSome(options.data)
    ? path.resolve(options.data.value)
    : path.join(
        yield* (yield* UserDirectories.UserDirectories)
          .state("opencode-worker")
          .pipe(Effect.mapError(() => unusable("(HOME is not set)"))),
        options.demo ? "demo" : `${path.basename(options.directory)}-${fingerprint(options.directory)}`
      )
  yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 }).pipe(
    Effect.andThen(fs.access(root, { writable: true })),
    Effect.mapError(() => unusable(root))
  )
  return {
    root,
    deployment: path.join(root, "deployment"),
    operator: path.join(root, "operator.json"),
    worker: (directory, url) =>
      path.join(root, `worker-${fingerprint(url === undefined ? directory : `${directory} ${url}`)}.json`),
    demo: path.join(root, "demo")
  } satisfies DataFolder
})

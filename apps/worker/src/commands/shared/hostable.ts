/** Directories that a worker does not host, because its agent would read everything in them as part of the project. */
import { homedir } from "node:os"
import { Effect, FileSystem, Option, Path } from "effect"
import { configError } from "../../AppError.ts"

/**
 * Fails for the home directory, a data folder, a directory in a data folder, and every directory that contains one of them,
 * unless `allowed`. Paths are compared with symbolic links resolved.
 */
export const hostable = Effect.fnUntraced(function* (options: {
  readonly directory: string
  readonly dataFolders: ReadonlyArray<string>
  readonly allowed: boolean
}) {
  if (options.allowed) return
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const real = (of: string) => Effect.orElseSucceed(fs.realPath(of), () => path.resolve(of))
  const contains = (folder: string, inner: string) =>
    inner === folder || inner.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep)

  const directory = yield* real(options.directory)
  const instead = "use the directory of a project, or pass --allow-home"
  const refused = (why: string) => configError(`${directory} ${why}: ${instead}.`)
  // A user without an entry in the list of users has no home directory to protect.
  const home = yield* Effect.option(Effect.try(homedir))
  if (Option.isSome(home) && contains(directory, yield* real(home.value))) {
    return yield* refused("contains your home directory, so the agent could read the keys in it without approval")
  }
  for (const folder of yield* Effect.forEach(options.dataFolders, real)) {
    if (contains(directory, folder)) {
      return yield* refused(`contains the worker's data folder ${folder}, which holds secrets`)
    }
    if (contains(folder, directory))
      return yield* refused(`is in the worker's data folder ${folder}, which holds secrets`)
  }
})

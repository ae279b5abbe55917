/** Resolves the links of a path that may not exist yet. */
import { basename, dirname, join, resolve } from "node:path"
import { Effect, FileSystem } from "effect"

/** The limit of Linux. */
const maxLinks = 40

const resolved = (fs: FileSystem.FileSystem, path: string, left: number): Effect.Effect<string | undefined> => {
  const parent = dirname(path)
  if (left === 0) return Effect.succeed(undefined)
  const inParent =
    parent === path
      ? Effect.succeed(path)
      : Effect.map(resolved(fs, parent, left), (real) => (real === undefined ? undefined : join(real, basename(path))))
  return Effect.matchEffect(fs.realPath(path), {
    onSuccess: Effect.succeed,
    // A link to a file that does not exist: a write through it creates the file.
    onFailure: () =>
      Effect.matchEffect(fs.readLink(path), {
        onSuccess: (target) => resolved(fs, resolve(parent, target), left - 1),
        onFailure: () => inParent
      })
  })
}

/** The absolute path with links resolved, or undefined if the links form a loop or are too many. */
export const realPath = (path: string): Effect.Effect<string | undefined, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => resolved(fs, resolve(path), maxLinks))

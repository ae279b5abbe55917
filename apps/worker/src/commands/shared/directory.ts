import { Effect, FileSystem, Option, Path } from "effect"
import { configError } from "../../AppError.ts"

/** The directory given, or the current one: absolute, without symbolic links. */
export const resolveDirectory = Effect.fnUntraced(function* (given: Option.Option<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const wanted = path.resolve(Option.getOrElse(given, () => "."))
  const info = yield* Effect.option(fs.stat(wanted))
  if (Option.isNone(info)) {
    return yield* configError(
      `The directory ${wanted} does not exist: create it, or give another one with --directory.`
    )
  }
  if (info.value.type !== "Directory") {
    return yield* configError(`${wanted} is not a directory: give one with --directory.`)
  }
  return yield* fs.realPath(wanted)
})

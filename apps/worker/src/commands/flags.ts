/**
 * Flags that more than one command takes.
 *
 * @since 0.1.0
 */
import { Effect, FileSystem, Option, Path } from "effect"
import { Flag } from "effect/cli"
import { configuration } from "../AppError.ts"

export const data = Flag.String("data").pipe(
  Flag.withDescription("Folder for the deployment and the worker's identity (default: below your state directory)"),
  Flag.optional
)

export const directory = Flag.String("directory").pipe(
  Flag.withAlias("d"),
  Flag.withDescription("Where OpenCode works (default: the current directory)"),
  Flag.optional
)

export const demo = Flag.Boolean("demo").pipe(
  Flag.withDescription("The offline demo: a scripted model, a sample project, and an OpenCode home of its own"),
  Flag.withDefault(false)
)

/** The directory given, or the current one: absolute, without symbolic links. */
export const resolveDirectory = Effect.fnUntraced(function* (given: Option.Option<string>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const wanted = path.resolve(Option.getOrElse(given, () => "."))
  const info = yield* Effect.option(fs.stat(wanted))
  if (Option.isNone(info)) {
    return yield* configuration(
      `The directory ${wanted} does not exist: create it, or give another one with --directory.`
    )
  }
  if (info.value.type !== "Directory") {
    return yield* configuration(`${wanted} is not a directory: give one with --directory.`)
  }
  return yield* fs.realPath(wanted)
})

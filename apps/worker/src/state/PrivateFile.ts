/** A small JSON file that only its owner can read. */
import { checkPrivateFile, replacePrivateFile } from "@opencode-worker/convex-embedded/private-files"
import { Effect, FileSystem, Option, Schema } from "effect"
import { configError } from "../AppError.ts"
import { fromEmbeddedError } from "../local/EmbeddedError.ts"

/** The content, or none if the file does not exist. Fails for a file or link of another user. */
export const read = Effect.fnUntraced(function* <A, I>(file: string, schema: Schema.Codec<A, I>) {
  const exists = yield* Effect.try({ try: () => checkPrivateFile(file), catch: fromEmbeddedError })
  if (!exists) return Option.none<A>()
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readFileString(file).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Schema.fromJsonString(schema))),
    Effect.asSome,
    Effect.mapError(() => configError(`The file ${file} is damaged: move it away and start again to create a new one.`))
  )
})

/**
 * Replaces the content atomically. After a crash, also of the machine, the file is the old or the new one. Once this effect
 * has ended, it is the new one.
 */
export const write = Effect.fnUntraced(function* <A, I>(file: string, schema: Schema.Codec<A, I>, content: A) {
  const text = yield* Schema.encodeEffect(Schema.fromJsonString(schema))(content).pipe(Effect.orDie)
  yield* Effect.try({ try: () => replacePrivateFile(file, text), catch: fromEmbeddedError })
})

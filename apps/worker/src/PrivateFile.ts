/**
 * A small JSON file that only its owner can read.
 *
 * @since 0.1.0
 */
import { Effect, FileSystem, Option, Schema } from "effect"
import { configuration } from "./AppError.ts"

/**
 * The content, or nothing if there is no such file yet.
 *
 * @category operations
 * @since 0.1.0
 */
export const read = Effect.fnUntraced(function* <A, I>(file: string, schema: Schema.Codec<A, I>) {
  const fs = yield* FileSystem.FileSystem
  if (!(yield* fs.exists(file))) return Option.none<A>()
  return yield* fs.readFileString(file).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Schema.fromJsonString(schema))),
    Effect.asSome,
    Effect.mapError(() =>
      configuration(`The file ${file} is damaged: move it away and start again, and a new one is made.`)
    )
  )
})

/**
 * Replaces the content. A crash leaves the old file or the new one.
 *
 * @category operations
 * @since 0.1.0
 */
export const write = Effect.fnUntraced(function* <A, I>(file: string, schema: Schema.Codec<A, I>, content: A) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Schema.encodeEffect(Schema.fromJsonString(schema))(content).pipe(Effect.orDie)
  yield* fs.writeFileString(`${file}.new`, text, { mode: 0o600 })
  yield* fs.rename(`${file}.new`, file)
})

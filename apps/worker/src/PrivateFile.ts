/**
 * A small JSON file that only its owner can read.
 *
 * @since 0.1.0
 */
import { dirname } from "node:path"
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
 * Replaces the content. A crash, also of the machine, leaves the old file or the new one; once this has ended, the new one.
 *
 * @category operations
 * @since 0.1.0
 */
export const write = Effect.fnUntraced(function* <A, I>(file: string, schema: Schema.Codec<A, I>, content: A) {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Schema.encodeEffect(Schema.fromJsonString(schema))(content).pipe(Effect.orDie)
  const next = yield* fs.open(`${file}.new`, { flag: "w", mode: 0o600 })
  yield* next.writeAll(new TextEncoder().encode(text))
  yield* next.sync
  yield* fs.rename(`${file}.new`, file)
  // So that the new name lasts, too. Windows cannot do this with a folder, and need not.
  yield* fs.open(dirname(file)).pipe(
    Effect.flatMap((folder) => folder.sync),
    Effect.ignore
  )
}, Effect.scoped)

/** The last good list on disk. Losing it costs one fetch, so nothing here ever fails: it warns. */
import { Effect, Option, Schema } from "effect"
import { ModelCatalog } from "../ModelCatalog.ts"

/** `version` is raised when the shape changes; a list of another version counts as absent. */
const Stored = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    /** Milliseconds since 1970. */
    fetchedAt: Schema.Finite,
    catalog: ModelCatalog
  })
)
const decode = Schema.decodeUnknownEffect(Stored)
const encode = Schema.encodeEffect(Stored)

/** What is kept: a catalogue and when it was fetched (milliseconds since 1970). */
export interface Entry {
  readonly catalog: ModelCatalog
  readonly fetchedAt: number
}

export interface Store {
  readonly load: Effect.Effect<Option.Option<Entry>>
  readonly save: (entry: Entry) => Effect.Effect<void>
}

/** A store that hangs must not hold up the callers who wait for a list. */
const limit = "5 seconds"

/** Forgets everything. */
export const none: Store = { load: Effect.succeedNone, save: () => Effect.void }

/** Keeps the list as one text. `read` gives `undefined` when nothing was written yet. */
export const make = (
  read: Effect.Effect<string | undefined, unknown>,
  write: (text: string) => Effect.Effect<unknown, unknown>
): Store => ({
  load: read.pipe(
    Effect.timeout(limit),
    Effect.flatMap((text) => (text === undefined ? Effect.succeedNone : Effect.asSome(decode(text)))),
    Effect.catchCause((cause) =>
      Effect.as(Effect.logWarning("The stored model list was not readable", cause), Option.none())
    )
  ),
  save: (entry) =>
    encode({ version: 1, ...entry }).pipe(
      Effect.flatMap(write),
      Effect.timeout(limit),
      Effect.catchCause((cause) => Effect.logWarning("The model list could not be stored", cause)),
      Effect.asVoid
    )
})

/** The last good list on disk. Losing it costs one fetch, so these effects never fail: they log a warning. */
import * as Effect from "effect/Effect"
import type { ModelCatalog } from "../ModelCatalog.ts"
import { parseCatalog } from "./parse.ts"

export interface Entry {
  readonly catalog: ModelCatalog
  /** Milliseconds since 1970. */
  readonly fetchedAt: number
}

export interface Store {
  readonly load: Effect.Effect<Entry | undefined>
  readonly save: (entry: Entry) => Effect.Effect<void>
}

/** Raised when the shape changes: a list of another version counts as absent. */
const version = 1

/** A store that hangs must not delay callers. */
const limit = "5 seconds"

const decode = (text: string): Effect.Effect<Entry, unknown> =>
  Effect.gen(function* () {
    const stored: { version?: unknown; fetchedAt?: unknown; catalog?: unknown } = yield* Effect.sync(() =>
      Object(JSON.parse(text))
    )
    const catalog = yield* Effect.fromResult(parseCatalog(stored.catalog))
    const { fetchedAt } = stored
    if (stored.version !== version || typeof fetchedAt !== "number") return yield* Effect.fail("unknown version")
    return { catalog, fetchedAt }
  })

/** Keeps the list as one text. `read` returns `undefined` before the first write. */
export const make = (
  read: Effect.Effect<string | undefined, unknown>,
  write: (text: string) => Effect.Effect<unknown, unknown>
): Store => ({
  load: Effect.gen(function* () {
    const text = yield* read
    return text === undefined ? undefined : yield* decode(text)
  }).pipe(
    Effect.timeout(limit),
    Effect.catchCause((cause) =>
      Effect.as(Effect.logWarning("The stored model list was not readable", cause), undefined)
    )
  ),
  save: (entry) =>
    write(JSON.stringify({ version, ...entry })).pipe(
      Effect.timeout(limit),
      Effect.catchCause((cause) => Effect.logWarning("The model list could not be stored", cause)),
      Effect.asVoid
    )
})

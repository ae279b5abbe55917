/** Checks a model before the first prompt is sent. */
import { ModelCache } from "@opencode-worker/model-cache"
import { Effect } from "effect"
import { configError } from "../AppError.ts"

/** Number of models that an error names if none is similar to the requested one. */
const shownModels = 10

/** Fails for an unknown model, and names the most similar ones. */
export const knownModel = Effect.fnUntraced(function* (spec: string) {
  const cache = yield* ModelCache
  yield* cache
    .resolve(spec)
    .pipe(Effect.catchReason("ModelCacheError", "UnknownModel", ({ suggestions }) => unknown(spec, suggestions)))
})
const unknown = Effect.fnUntraced(function* (spec: string, nearest: ReadonlyArray<string>) {
  const { models } = yield* ModelCache.use(({ get }) => get)
  if (models.length === 0) {
    return yield* configError(
      `There is no model "${spec}": your OpenCode configuration has no provider yet (opencode auth login adds one).`
    )
  }
  const shown = nearest.length > 0 ? nearest : models.slice(0, shownModels).map(({ id }) => id)
  const more = models.length > shown.length ? `, and ${models.length - shown.length} more` : ""
  return yield* configError(
    nearest.length > 0
      ? `There is no model "${spec}" in your OpenCode configuration. Did you mean ${shown.join(", ")}?`
      : `There is no model "${spec}" in your OpenCode configuration. It has ${shown.join(", ")}${more}. opencode auth login adds a provider.`
  )
})

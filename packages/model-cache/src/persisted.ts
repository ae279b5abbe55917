/** Keeps the list of models in a `KeyValueStore`. An entry of its own, since that module is slow to import. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { KeyValueStore } from "effect/persistence/KeyValueStore"
import * as Store from "./internal/store.ts"
import { make, ModelCache, type ModelCacheOptions } from "./ModelCache.ts"

/**
 * `ModelCache.layer` that keeps the last list under `key` (default: "models"), so that a start needs no fetch. A store
 * that fails or contains unreadable text costs a warning and a fetch.
 */
export const layerPersisted = <E, R>(
  options: ModelCacheOptions<E, R> & { readonly key?: string }
): Layer.Layer<ModelCache, never, R | KeyValueStore> =>
  Layer.effect(
    ModelCache,
    Effect.flatMap(KeyValueStore, (store) => {
      const key = options.key ?? "models"
      return make(
        options,
        Store.make(store.get(key), (text) => store.set(key, text))
      )
    })
  )

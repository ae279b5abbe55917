/** Shows operators what OpenCode offers: models, agents, commands and skills. */
import { CatalogPublisher, ModelPublisher } from "@opencode-worker/convex-sync"
import { ModelCache } from "@opencode-worker/model-cache"
import { Effect, Stream } from "effect"
import { Catalog } from "./catalog.ts"
import { whenRunning } from "./startup.ts"

/** Publishes the models for operators. The cache retries a list that cannot be fetched. */
export const publishModels = Effect.gen(function* () {
  const models = yield* ModelCache
  yield* Effect.forkChild(Effect.ignore(Effect.andThen(whenRunning, models.get)))
  yield* ModelPublisher.publish(
    Stream.map(
      Stream.unwrap(Effect.map(models.subscribe, Stream.fromSubscription)),
      ({ hash, models: all, default: chosen }) => ({
        hash,
        models: all,
        default: chosen ?? undefined
      })
    )
  )
})

/** Publishes the agents, commands and skills, as `publishModels`. */
export const publishCatalog = Effect.gen(function* () {
  const catalog = yield* Catalog
  yield* Effect.forkChild(Effect.ignore(Effect.andThen(whenRunning, catalog.get)))
  yield* CatalogPublisher.publish(Stream.unwrap(Effect.map(catalog.subscribe, Stream.fromSubscription)))
})

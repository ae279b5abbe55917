import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { ModelCache, ModelCatalog, ModelSource } from "@opencode-worker/model-cache"
import { Console, Effect, FileSystem, Layer } from "effect"
import { KeyValueStore } from "effect/persistence"

const { model } = ModelCatalog

// Stands for a slow request; give your own effect here.
const fetchModels = Effect.succeed({
  models: [
    model({ providerID: "anthropic", modelID: "claude-5", name: "Claude 5" }),
    model({ providerID: "router", modelID: "meta/llama-9", name: "Llama 9" })
  ],
  default: "anthropic/claude-5"
}).pipe(Effect.delay("200 millis"))

const program = Effect.gen(function* () {
  const cache = yield* ModelCache
  yield* Effect.all(
    Array.from({ length: 90 }, () => cache.get),
    { concurrency: "unbounded" }
  )
  const { fetches } = yield* cache.stats
  yield* Console.log(`90 callers, ${fetches} fetch`)

  yield* Console.log(`default: ${(yield* cache.resolve()).name}`)
  yield* Console.log(`by id: ${(yield* cache.resolve("router/meta/llama-9")).name}`)
  const error = yield* Effect.flip(cache.resolve("anthropic/claud-5"))
  yield* Console.log(error.message)
})

// The list is kept here between runs; take a folder of your application's.
const folder = Layer.unwrap(
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    return KeyValueStore.layerFileSystem(yield* files.makeTempDirectoryScoped())
  })
)

const cache = ModelCache.layerPersisted().pipe(
  Layer.provide([ModelSource.layer(fetchModels), folder]),
  Layer.provide(NodeServices.layer)
)

NodeRuntime.runMain(Effect.provide(program, cache))

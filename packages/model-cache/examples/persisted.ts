import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { ModelCache } from "@opencode-worker/model-cache"
import { layerPersisted } from "@opencode-worker/model-cache/persisted"
import { Console, Effect, FileSystem, Layer } from "effect"
import { KeyValueStore } from "effect/persistence"

const fetch = Effect.succeed({ models: [], default: null })

// A real program uses a folder that outlives it.
const folder = Layer.unwrap(
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    return KeyValueStore.layerFileSystem(yield* files.makeTempDirectoryScoped())
  })
)

const cache = layerPersisted({ fetch }).pipe(Layer.provide(folder), Layer.provide(NodeServices.layer))

const program = Effect.gen(function* () {
  const { models } = yield* ModelCache.use(({ get }) => get)
  yield* Console.log(`${models.length} models`)
})

NodeRuntime.runMain(Effect.provide(program, cache))

import { ModelCache, ModelCatalog } from "@opencode-worker/model-cache"
import { Console, Effect } from "effect"

const { model } = ModelCatalog

// Stands for a slow request.
const fetch = Effect.succeed({
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

await Effect.runPromise(Effect.provide(program, ModelCache.layer({ fetch, freshFor: "5 minutes" })))

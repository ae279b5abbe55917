import { setTimeout } from "node:timers/promises"
import { createModelCache, ModelCatalog } from "@opencode-worker/model-cache/async"

const { model } = ModelCatalog

await using cache = await createModelCache({
  // Stands for a slow request. Pass `signal` to your own.
  fetch: async (signal) => {
    await setTimeout(200, undefined, { signal })
    return {
      models: [model({ providerID: "anthropic", modelID: "claude-5", name: "Claude 5" })],
      default: "anthropic/claude-5"
    }
  },
  onChange: ({ hash, models }) => console.log(`publish ${models.length} model with hash ${hash.slice(0, 8)}`)
})

await Promise.all(Array.from({ length: 90 }, () => cache.get()))
console.log(`90 callers, ${cache.stats().fetches} fetch`)
console.log(`default: ${(await cache.resolve()).name}`)

import { setTimeout } from "node:timers/promises"
import { modelCache, ModelCatalog } from "@opencode-worker/model-cache"

const { model } = ModelCatalog

await using cache = await modelCache({
  // Stands for a slow request; pass `signal` on to your own.
  fetch: async (signal) => {
    await setTimeout(200, undefined, { signal })
    return {
      models: [model({ providerID: "anthropic", modelID: "claude-5", name: "Claude 5" })],
      default: "anthropic/claude-5"
    }
  }
})

await Promise.all(Array.from({ length: 90 }, () => cache.get()))
console.log(`90 callers, ${cache.stats().fetches} fetch`)
console.log(`default: ${(await cache.resolve()).name}`)

for await (const { hash, models } of cache.changes) {
  console.log(`publish ${models.length} model under ${hash.slice(0, 8)}`)
  break
}

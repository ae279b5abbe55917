import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ConvexHttpClient } from "convex/browser"
import { ConvexEmbedded } from "../src/effect.ts"
import { readHolder } from "../src/internal/storage/holder.ts"
import { FUNCTIONS, temporaryFolder } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

describe("layer", () => {
  it.live("serves as long as its scope, and fails as make rejects", () =>
    Effect.gen(function* () {
      const dataDir = temporaryFolder()
      const options = { dataDir, functions: FUNCTIONS, userTimeLimit: 30_000 }
      const code = yield* Effect.gen(function* () {
        const { url } = yield* ConvexEmbedded
        const client = new ConvexHttpClient(url, { logger: false })
        const value = yield* Effect.promise(() => client.mutation(api.counters.add, { name: "n" }))
        assert.strictEqual(value, 1)
        const error = yield* Effect.flip(Effect.provide(ConvexEmbedded, ConvexEmbedded.layer(options)))
        return error.code
      }).pipe(Effect.provide(ConvexEmbedded.layer(options)))
      assert.strictEqual(code, "DataInUse")
      assert.isNull(readHolder(dataDir))
    })
  )
})

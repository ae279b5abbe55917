/** The models of a host of the promise API, in a model cache. */
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { createModelCache, type ModelCatalog } from "@opencode-worker/model-cache/async"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { createOpenCodeHost, type ModelList } from "@opencode-worker/opencode-host/async"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { expectTypeOf } from "vitest"
import { limit } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

export const modelsTests = inWorld("the type of a host's models", (it) => {
  it.effect(
    "fits a model cache without an adapter",
    () =>
      Effect.gen(function* () {
        expectTypeOf<ModelList>().toExtend<ModelCatalog.ModelCatalog>()
        expectTypeOf<ModelList["models"][number]>().toExtend<ModelCatalog.Model>()

        const { directory, environment, root } = yield* OpenCodeHome
        const attach = yield* Effect.flatMap(OpenCodeHost, ({ server }) => server)
        yield* Effect.promise(async () => {
          await using host = await createOpenCodeHost({
            directory,
            environment,
            stateDirectory: join(root, "models"),
            attach
          })
          await using cache = await createModelCache({ fetch: (signal) => host.client.models({ signal }) })
          const { id, ...model } = await cache.resolve("scripted/other")
          assert.strictEqual(id, "scripted/other")
          assert.deepInclude(model, {
            providerID: "scripted",
            modelID: "other",
            capabilities: {
              tools: true,
              reasoning: false,
              input: { image: true, pdf: false, audio: false, video: false },
              output: { image: false, audio: false, video: false }
            },
            status: "active"
          })
          assert.isAbove(model.limit?.context ?? 0, 0)
          assert.strictEqual((await cache.resolve()).id, "scripted/echo")
        })
      }),
    limit
  )
})

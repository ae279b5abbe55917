import { assert, describe, expectTypeOf, it } from "vitest"
import { createModelCache, type ModelCatalog } from "@opencode-worker/model-cache/async"
import { createOpenCodeHost, type ModelList } from "@opencode-worker/opencode-host/async"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"

describe("the type of a host's models", () => {
  it("fits a model cache without an adapter", async () => {
    expectTypeOf<ModelList>().toExtend<ModelCatalog.ModelCatalog>()
    expectTypeOf<ModelList["models"][number]>().toExtend<ModelCatalog.Model>()

    await using provider = await scriptedProvider(() => Reply.text("Hello."), { models: ["echo", "other"] })
    await using home = await openCodeHome({ config: { ...provider.config, snapshot: false } })
    const { directory, environment, root } = home
    await using host = await createOpenCodeHost({ directory, environment, stateDirectory: `${root}/state` })
    await using cache = await createModelCache({ fetch: (signal) => host.client.models({ signal }) })
    const { id, ...model } = await cache.resolve("scripted/other")
    assert.strictEqual(id, "scripted/other")
    assert.deepInclude(model, {
      providerID: "scripted",
      modelID: "other",
      capabilities: {
        tools: true,
        reasoning: false,
        input: { image: false, pdf: false, audio: false, video: false },
        output: { image: false, audio: false, video: false }
      },
      status: "active"
    })
    assert.isAbove(model.limit?.context ?? 0, 0)
    assert.strictEqual((await cache.resolve()).id, "scripted/echo")
  }, 120_000)
})

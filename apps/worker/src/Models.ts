/**
 * Joins the model cache to OpenCode: the list is what the hosted server says, fetched once for all who ask.
 *
 * @since 0.1.0
 */
import { ModelCache, ModelSource } from "@opencode-worker/model-cache"
import { type ModelList, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Layer } from "effect"

const catalog = ({ default: preferred, models }: ModelList) => ({
  default: preferred ?? null,
  models: models.map((model) => ({
    id: model.id,
    providerID: model.providerId,
    modelID: model.modelId,
    name: model.name,
    limit: { context: model.contextLimit, output: model.outputLimit },
    capabilities: { tools: model.tools, reasoning: model.reasoning },
    status: model.status
  }))
})

/** The cache over the hosted OpenCode server. */
export const models = ModelCache.layer().pipe(
  Layer.provide(ModelSource.layer(OpenCodeHost.use(({ client }) => Effect.map(client.models, catalog))))
)

/**
 * Joins the model cache to OpenCode: the list of the hosted server, fetched once for all callers.
 *
 * @since 0.1.0
 */
import { ModelCache, ModelSource } from "@opencode-worker/model-cache"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Layer } from "effect"

/** The cache over the hosted OpenCode server. */
export const models = ModelCache.layer().pipe(
  Layer.provide(ModelSource.layer(OpenCodeHost.use(({ client }) => client.models)))
)

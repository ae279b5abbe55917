/** Joins the model cache to OpenCode: the list of the hosted server, fetched once for all callers. */
import { ModelCache } from "@opencode-worker/model-cache"
import { OpenCodeHost } from "@opencode-worker/opencode-host"

/** The cache over the hosted OpenCode server. */
export const models = ModelCache.layer({ fetch: OpenCodeHost.use(({ client }) => client.models) })

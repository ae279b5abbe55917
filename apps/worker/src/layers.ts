/**
 * The layers that a worker on one machine is made of.
 *
 * ```
 *   Client ── a connection with the operator's token ────┐
 *   ConvexClient, the worker's own connection ───────────┴── Deployment (embedded)
 *   ModelCache, Catalog ── OpenCodeHost
 * ```
 */
import { ConvexClient } from "@opencode-worker/effect-convex"
import { OpenCodeHost, type OpenCodeHostOptions } from "@opencode-worker/opencode-host"
import { Effect, Layer } from "effect"
import { UserDirectories } from "effect/persistence"
import { configError } from "./AppError.ts"
import { EmbeddedDeployment } from "./local/EmbeddedDeployment.ts"
import { operatorLayer } from "./local/operatorLayer.ts"
import { catalogLayer } from "./opencode/catalog.ts"
import { models } from "./opencode/models.ts"

const workerConnection = Layer.unwrap(EmbeddedDeployment.useSync(({ url }) => ConvexClient.layer({ url })))

/** OpenCode and the lock of its directory need one, even with `--data`. */
const hasHome = UserDirectories.make()
  .state("opencode-worker")
  .pipe(Effect.mapError(() => configError("OpenCode needs a home directory: set HOME.")))

/** A hosted OpenCode server, and the models, agents, commands and skills that it offers. */
export const openCodeLayer = (options: OpenCodeHostOptions) =>
  Layer.unwrap(Effect.as(hasHome, Layer.provideMerge(Layer.merge(models, catalogLayer), OpenCodeHost.layer(options))))

/** The connections of the operator and of a worker in this process. */
export const connections = Layer.merge(operatorLayer, workerConnection)

/** The services of a chat with a worker in this process, over a deployment. */
export const devLayer = (options: OpenCodeHostOptions) => Layer.merge(connections, openCodeLayer(options))

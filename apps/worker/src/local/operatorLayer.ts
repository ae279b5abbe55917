/** The operator's client of the deployment of this machine, over a connection of its own. */
import { Client } from "@opencode-worker/client/effect"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Layer } from "effect"
import { EmbeddedDeployment } from "./EmbeddedDeployment.ts"

export const operatorLayer = Client.layer.pipe(
  Layer.provide(
    Layer.unwrap(
      EmbeddedDeployment.useSync(({ operatorToken, url }) => ConvexClient.layer({ url, auth: operatorToken }))
    )
  )
)

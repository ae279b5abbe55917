/** The operator's client of the deployment of this machine, over a connection of its own. */
import { Client } from "@opencode-worker/client/effect"
import { Layer } from "effect"
import { lazyConnection } from "../operator/lazyConnection.ts"
import { EmbeddedDeployment } from "./EmbeddedDeployment.ts"

export const operatorLayer = Client.layer.pipe(
  Layer.provide(
    Layer.unwrap(EmbeddedDeployment.useSync(({ operatorToken, url }) => lazyConnection({ url, auth: operatorToken })))
  )
)

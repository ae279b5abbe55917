/** The deployment as an Effect layer. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Deployment, make } from "./ConvexEmbedded.ts"
import type { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"
import type { ConvexEmbeddedOptions } from "./Options.ts"

/** A Convex deployment that runs as long as its layer's scope. */
export class ConvexEmbedded extends Context.Service<
  ConvexEmbedded,
  /** `url` is the address for `new ConvexClient(url)`. */
  Pick<Deployment, "backup" | "reload" | "remoteUrl" | "run" | "url">
>()("@opencode-worker/convex-embedded/ConvexEmbedded") {
  /** Starts a deployment, and closes it with the scope. Fails as `make` rejects. */
  static readonly layer = (options: ConvexEmbeddedOptions): Layer.Layer<ConvexEmbedded, ConvexEmbeddedError> =>
    Layer.effect(
      ConvexEmbedded,
      Effect.acquireRelease(
        // `make` rejects with no other error.
        Effect.tryPromise({ catch: (cause) => cause as ConvexEmbeddedError, try: () => make(options) }),
        (deployment) => Effect.promise(() => deployment.close())
      )
    )
}

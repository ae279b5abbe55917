/**
 * The deployment as an Effect layer.
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer } from "effect"
import { make, type Options } from "./ConvexEmbedded.ts"
import type { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"

/**
 * A Convex deployment that lives as long as its scope.
 *
 * @category services
 * @since 0.1.0
 */
export class ConvexEmbedded extends Context.Service<
  ConvexEmbedded,
  {
    /** The address for `new ConvexClient(url)`. */
    readonly url: string
  }
>()("@opencode-worker/convex-embedded/ConvexEmbedded") {
  /** Starts a deployment, and closes it with the scope. Fails as `make` rejects. */
  static readonly layer = (options: Options): Layer.Layer<ConvexEmbedded, ConvexEmbeddedError> =>
    Layer.effect(
      ConvexEmbedded,
      Effect.acquireRelease(
        // `make` rejects with nothing else, unless this package has a bug.
        Effect.tryPromise({ catch: (cause) => cause as ConvexEmbeddedError, try: () => make(options) }),
        (deployment) => Effect.promise(() => deployment.close())
      )
    )
}

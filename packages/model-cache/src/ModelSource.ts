/** @since 0.1.0 */
import { Context, Effect, Layer } from "effect"
import type { ModelCatalog } from "./ModelCatalog.ts"

/**
 * Where the models come from: the port that an application fills.
 *
 * @category services
 * @since 0.1.0
 */
export class ModelSource extends Context.Service<
  ModelSource,
  {
    /** Fetches the whole list once. Any failure becomes the cause of a `FetchFailed`. */
    readonly fetch: Effect.Effect<ModelCatalog, unknown>
  }
>()("@opencode-worker/model-cache/ModelSource") {
  /**
   * A source that is one effect.
   *
   * @since 0.1.0
   */
  static readonly layer = <E, R>(fetch: Effect.Effect<ModelCatalog, E, R>): Layer.Layer<ModelSource, never, R> =>
    Layer.effect(
      ModelSource,
      Effect.map(Effect.context<R>(), (context) => ModelSource.of({ fetch: Effect.provideContext(fetch, context) }))
    )
}

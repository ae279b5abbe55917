import { Effect, Layer } from "effect"
import { ModelCache, ModelCatalog, ModelSource } from "../../src/index.ts"
import type { Options } from "../../src/index.ts"

/** A catalogue that says which version of the list it is. */
export const version = (n: number): ModelCatalog.ModelCatalog => ({
  models: [ModelCatalog.model({ providerID: "p", modelID: `m/${n}`, name: `Version ${n}` })],
  default: `p/m/${n}`
})

/**
 * A source whose answer the test decides. A fetch takes a second of the test's clock, and gives what `answer` was when
 * it began.
 */
export class ScriptedSource {
  answer: Effect.Effect<ModelCatalog.ModelCatalog, unknown> = Effect.succeed(version(1))
  fetches = 0
  active = 0
  mostActive = 0

  readonly layer = ModelSource.layer(
    Effect.suspend(() => {
      this.fetches += 1
      this.active += 1
      this.mostActive = Math.max(this.mostActive, this.active)
      return this.answer.pipe(
        Effect.delay("1 second"),
        Effect.ensuring(
          Effect.sync(() => {
            this.active -= 1
          })
        )
      )
    })
  )

  /** A new cache over this source, alive as long as the scope. */
  cache(options?: Options) {
    return Layer.build(Layer.fresh(ModelCache.layer(options)).pipe(Layer.provide(this.layer))).pipe(
      Effect.flatMap((context) => Effect.provideContext(ModelCache, context))
    )
  }
}

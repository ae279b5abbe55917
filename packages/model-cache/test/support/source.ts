import { Effect, Layer } from "effect"
import { ModelCache, type ModelCacheOptions, ModelCatalog } from "../../src/index.ts"

/** A catalogue whose only model is named after its version. */
export const version = (n: number): ModelCatalog.ModelCatalog => ({
  models: [ModelCatalog.model({ providerID: "p", modelID: `m/${n}`, name: `Version ${n}` })],
  default: `p/m/${n}`
})

/** A fetch that takes a second of the test's clock, and ends with the `answer` at its begin. */
export class ScriptedSource {
  answer: Effect.Effect<ModelCatalog.ModelCatalog, unknown> = Effect.succeed(version(1))
  fetches = 0
  active = 0
  mostActive = 0

  readonly fetch = Effect.suspend(() => {
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

  /** A new cache over this source, alive as long as the scope. */
  cache(options?: Omit<ModelCacheOptions, "fetch">) {
    return Layer.build(Layer.fresh(ModelCache.layer({ fetch: this.fetch, ...options }))).pipe(
      Effect.flatMap((context) => Effect.provideContext(ModelCache, context))
    )
  }
}

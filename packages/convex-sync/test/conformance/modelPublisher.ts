/** `ModelPublisherPort`. */
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { assertFenced, type Cases, type MakeWorker } from "./Worker.ts"

const catalog = (hash: string, size = 10) => ({
  hash,
  models: JSON.stringify(hash.repeat(size)),
  default: "provider/model"
})

export const modelPublisher = <R>(cases: Cases<R>, worker: MakeWorker<R, "models", "models">) =>
  describe("a store of models", () => {
    cases.effect("shows the operator the newest models, and returns their hash to later processes", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { models: port } = yield* start("p")
        assert.isNull(yield* port.published)
        assert.isNull(yield* operator.models)
        yield* port.publish(catalog("a"))
        yield* port.publish(catalog("a"))
        assert.deepStrictEqual(yield* operator.models, catalog("a"))
        yield* port.publish({ ...catalog("b"), default: null })
        assert.deepStrictEqual(yield* operator.models, { ...catalog("b"), default: null })
        const { models: next } = yield* start("p")
        assert.strictEqual(yield* next.published, "b")
      })
    )

    cases.effect("keeps a large catalogue complete, and removes all of it for a smaller one", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { models: port } = yield* start("p")
        // Half of all possible cuts fall within a character.
        const large = catalog("x😀", 300_000)
        yield* port.publish(large)
        assert.isTrue((yield* operator.models)?.models === large.models)
        yield* port.publish(catalog("small"))
        assert.deepStrictEqual(yield* operator.models, catalog("small"))
      })
    )

    cases.effect("refuses a superseded process", () =>
      Effect.gen(function* () {
        const { operator, start } = yield* worker
        const { models: port } = yield* start("p")
        yield* start("p")
        yield* assertFenced(port.published)
        yield* assertFenced(port.publish(catalog("late")))
        assert.isNull(yield* operator.models)
      })
    )
  })

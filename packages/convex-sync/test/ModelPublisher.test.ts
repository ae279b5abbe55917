import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import { api, ConvexSyncError, Lease, ModelPublisher } from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair } from "./support/deployment.ts"

const catalog = (hash: string): ModelPublisher.PublishedModels => ({ hash, models: [hash], default: "p/m" })
const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "models:publish", reason })

/** A store that contains `hash`. `answer` returns the result of each write, counted from 1. */
const store = (hash: string | null, answer: (call: number) => Effect.Effect<void, ConvexSyncError>) => {
  const written: Array<string> = []
  let calls = 0
  const port: ModelPublisher.ModelStore = {
    published: Effect.succeed(hash),
    publish: (catalogs) =>
      Effect.andThen(
        Effect.suspend(() => answer(++calls)),
        Effect.sync(() => written.push(catalogs.hash))
      )
  }
  return { port, written }
}

describe("ModelPublisher", () => {
  it.effect("writes when the hash differs, also from that of an earlier process", () =>
    Effect.gen(function* () {
      const { port, written } = store("1", () => Effect.void)
      yield* ModelPublisher.publishTo(port, Stream.fromIterable(["1", "1", "2", "2", "1"].map(catalog)))
      assert.deepStrictEqual(written, ["2", "1"])
    })
  )

  it.effect("waits for an unreachable deployment, and continues after a rejection", () =>
    Effect.gen(function* () {
      const away = failure(new ConvexClientReason.Unreachable({ millis: 1 }))
      const refused = failure(
        new ConvexClientReason.Rejected({ code: "InvalidArgument", message: "too long", data: null })
      )
      const { port, written } = store(null, (call) =>
        call < 4 ? Effect.fail(away) : call === 5 ? Effect.fail(refused) : Effect.void
      )
      const catalogs = Stream.fromIterable(["1", "2", "3"].map(catalog))
      yield* Effect.forkChild(ModelPublisher.publishTo(port, catalogs))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(written, ["1", "3"])
    })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("ModelPublisher over a deployment", (test) => {
  test.effect("publishes the worker's models to the operator", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const credentials = yield* pair(operator)
      const models = [{ id: "p/m", name: "M" }]
      yield* ModelPublisher.publish(Stream.make({ hash: "1", models, default: undefined })).pipe(
        Effect.provide(Layer.fresh(Lease.layer(credentials, { processId: "p" }))),
        Effect.provideService(ConvexClient, operator)
      )
      const { workerId } = credentials
      assert.deepStrictEqual(yield* operator.query(api.models.get, { workerId }), {
        hash: "1",
        default: null,
        models: JSON.stringify(models)
      })
    })
  )
})

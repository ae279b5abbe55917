import { assert, it } from "@effect/vitest"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Effect, Fiber, Layer, Stream } from "effect"
import { Client } from "../src/effect.ts"
import { TurnView } from "../src/index.ts"
import { pairedWorker, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

it.live("calls and streams over ConvexClient, and fails with its errors", () =>
  Effect.gen(function* () {
    const operator = deployment().operator()
    const worker = yield* Effect.promise(() => pairedWorker(deployment(), operator))
    const client = yield* Client
    const denied = yield* Effect.flip(client.call(({ sessions }, options) => sessions.create(worker.workerId, options)))
    assert.deepInclude(denied.reason, { _tag: "Rejected", code: "NotFound" })

    const own = yield* Effect.promise(() => deployment().startPairing())
    const workers = yield* Effect.forkChild(
      client
        .stream(({ workers: { watch } }) => watch())
        .pipe(
          Stream.filter(({ length }) => length === 1),
          Stream.runHead
        ),
      { startImmediately: true }
    )
    const workerId = yield* client.call((api, options) => api.workers.approve(own.code, options))
    assert.isTrue((yield* Fiber.join(workers))._tag === "Some")
    const sessionId = yield* client.call((api, options) => api.sessions.create(workerId, options))
    const turnId = yield* client.call((api) => api.turns.send(sessionId, "Hello"))
    const followed = yield* Effect.forkChild(
      client.stream(({ turns }) => turns.follow(turnId)).pipe(Stream.runLast, Effect.flatMap(Effect.fromOption)),
      { startImmediately: true }
    )
    const interrupted = yield* Effect.forkChild(
      client.call(({ turns }) => turns.follow(turnId).result),
      {
        startImmediately: true
      }
    )
    yield* Fiber.interrupt(interrupted)
    yield* client.call((api) => api.turns.abort(turnId))
    const view: TurnView.TurnView = yield* Fiber.join(followed)
    assert.strictEqual(view.end?.outcome, "aborted")
    yield* Effect.promise(() => operator[Symbol.asyncDispose]())
  }).pipe(
    Effect.provide(
      Layer.unwrap(
        Effect.sync(() => {
          const { token, url } = deployment()
          return Client.layer.pipe(
            Layer.provide(ConvexClient.layer({ url, auth: Effect.promise(() => token("effect")) }))
          )
        })
      )
    ),
    Effect.scoped
  )
)

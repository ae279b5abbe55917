/** The same as an Effect, over `ConvexClient` of effect-convex. */
import { TurnView } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Config, Console, Effect, Layer, Stream } from "effect"

const program = Effect.gen(function* () {
  const client = yield* Client
  const workers = yield* client.call((operator, options) => operator.workers.list(options))
  const { workerId } = yield* Effect.fromNullishOr(workers.find(({ online }) => online))
  const sessionId = yield* client.call(({ sessions }, options) => sessions.create(workerId, options))
  const views = client.stream(({ prompt }) => prompt(sessionId, "Say hello."))
  yield* Stream.runForEach(views, (view) => Console.log(view.status, TurnView.answer(view)))
})

const convex = Layer.unwrap(
  Effect.gen(function* () {
    const url = yield* Config.String("OPENCODE_WORKER_URL")
    return ConvexClient.layer({ url, auth: Effect.orDie(Config.String("OPENCODE_WORKER_TOKEN")) })
  })
)

await Effect.runPromise(Effect.provide(program, Layer.provide(Client.layer, convex)))

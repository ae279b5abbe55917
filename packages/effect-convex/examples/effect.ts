/** Sends a message and renders the list, until it contains the message. */
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Config, Console, Effect, Layer, Stream } from "effect"
import { api } from "./api.ts"

const render = (messages: ReadonlyArray<string>) => Console.log(`${messages.length} messages: ${messages.join(", ")}`)

const program = Effect.gen(function* () {
  const convex = yield* ConvexClient
  yield* convex.mutation(api.messages.send, { text: "hi" })
  yield* convex.subscribe(api.messages.list, {}).pipe(Stream.take(1), Stream.runForEach(render))
})

const convex = Layer.unwrap(Effect.map(Config.String("CONVEX_URL"), (url) => ConvexClient.layer({ url })))

await Effect.runPromise(Effect.provide(program, convex))

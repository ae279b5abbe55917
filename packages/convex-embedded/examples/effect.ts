import { ConvexEmbedded } from "@opencode-worker/convex-embedded/effect"
import { ConvexHttpClient } from "convex/browser"
import { anyApi as api } from "convex/server"
import { Console, Effect } from "effect"

const program = Effect.gen(function* () {
  const { url } = yield* ConvexEmbedded
  const client = new ConvexHttpClient(url)
  yield* Effect.promise(() => client.mutation(api["tasks"]!["add"]!, { text: "write" }))
  const tasks = yield* Effect.promise(() => client.query(api["tasks"]!["open"]!, {}))
  yield* Console.log(`open tasks: ${tasks.length}`)
})

const deployment = ConvexEmbedded.layer({
  dataDir: process.argv[2] ?? "./data",
  functions: `${import.meta.dirname}/convex`
})

await Effect.runPromise(Effect.provide(program, deployment))

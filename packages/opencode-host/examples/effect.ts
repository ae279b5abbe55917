/** Asks the model of your own OpenCode configuration: node examples/effect.ts "What is in this folder?" */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"
import { OpenCodeHost } from "@opencode-worker/opencode-host"

const program = Effect.gen(function* () {
  const host = yield* OpenCodeHost
  const session = yield* host.client.sessions.create({ title: "Ask" })
  yield* host.turn({ sessionId: session.id, text: process.argv[2] ?? "Say hello." }).pipe(
    Stream.runForEach((event) => {
      switch (event._tag) {
        case "TextDelta":
          return Effect.sync(() => process.stdout.write(event.delta))
        case "ToolUpdated":
          return Console.log(`[${event.part.tool}: ${event.part.state.status}]`)
        case "Ended":
          return Console.log(`\n${event.outcome}, ${event.usage.output} tokens`)
        default:
          return Effect.void
      }
    })
  )
})

const layer = OpenCodeHost.layer({ directory: process.cwd() })

NodeRuntime.runMain(Effect.provide(program, layer))

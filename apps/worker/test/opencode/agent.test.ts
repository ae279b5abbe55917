/** OpenCode fulfils the contract of the `Agent` port: the checks of every agent, over the real server. */
import { layer } from "@effect/vitest"
import { Agent } from "@opencode-worker/convex-sync"
import { agentConformance } from "@opencode-worker/convex-sync/testing"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Layer } from "effect"
import { openCodeAgent } from "../../src/opencode/agent.ts"
import { echo, limit, script, world } from "../support/world.ts"

layer(Layer.provideMerge(openCodeAgent(), world), { excludeTestServices: true, timeout: 120_000 })(
  "the OpenCode agent",
  (it) => {
    for (const { check, title } of agentConformance) {
      it.effect(
        title,
        () =>
          Effect.gen(function* () {
            yield* script((request) => {
              if (request.lastUserText === "hang") return Reply.sequence([Reply.text("so far"), Reply.hang])
              if (request.lastUserText === "work" && request.toolResults.length === 0) {
                const tool = Reply.toolCall("bash", { command: "sleep 3", description: "waits" })
                return Reply.sequence([Reply.text("so far"), tool])
              }
              if (request.lastUserText !== "ask" || request.toolResults.length > 0) return echo(request)
              return Reply.toolCall("webfetch", { url: "http://127.0.0.1:9/", format: "text" })
            })
            const prompts = { hang: "hang", ask: "ask", steerable: "work" }
            yield* check({ agent: yield* Agent, echo: (text) => text, ...prompts })
          }),
        limit
      )
    }
  }
)

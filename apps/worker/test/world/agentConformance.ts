/** OpenCode fulfils the contract of the `Agent` port: the checks of every agent, over the real server. */
import { Agent } from "@opencode-worker/convex-sync"
import { agentConformance as checks } from "@opencode-worker/convex-sync/testing"
import { Reply } from "@opencode-worker/testkit"
import { Effect } from "effect"
import { openCodeAgent } from "../../src/opencode/agent.ts"
import { echo, limit, script } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

export const agentConformanceTests = inWorld("the OpenCode agent", (world) => {
  world.layer(openCodeAgent())((it) => {
    for (const { check, title } of checks) {
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
  })
})

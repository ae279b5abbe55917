import { assert, layer } from "@effect/vitest"
import { Agent, type Conversation, type Prompt } from "@opencode-worker/convex-sync"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Layer, Schedule, Stream } from "effect"
import { openCodeAgent } from "../../src/opencode/agent.ts"
import { worldWith } from "../support/world.ts"

/** One failure is too many, and the next start is 3 s later. */
const world = Layer.provideMerge(openCodeAgent(), worldWith({ restart: { limit: 1, retryAfter: "3 seconds" } }))

const conversation: Conversation = {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any id
  sessionId: "session" as Conversation["sessionId"],
  read: Effect.succeed({ agentSessionId: null, title: "", historyLost: false, createdAt: 0 }),
  link: () => Effect.succeed({ chosenTitle: null })
}

const promptWith = (ids: Pick<Prompt, "messageId" | "partId">): Prompt => ({
  ...ids,
  text: "hi",
  files: [],
  model: null,
  agent: null,
  variant: null,
  command: null,
  budget: null,
  delivery: "queue"
})

layer(world, { excludeTestServices: true, timeout: "1 minute" })("an OpenCode that was given up", (it) => {
  it.effect("receives the claimed prompt when it is started again", () =>
    Effect.gen(function* () {
      const { server } = yield* OpenCodeHost
      const agent = yield* Agent
      const prompt = promptWith(yield* agent.promptIds)
      const events = yield* agent.use(conversation, (session) =>
        Effect.gen(function* () {
          const { pid = 0 } = yield* Effect.orDie(server)
          process.kill(pid, "SIGKILL")
          // Until then the host takes the dead server for a running one.
          const error = yield* Effect.retry(Effect.flip(server), Schedule.spaced("20 millis")).pipe(Effect.orDie)
          assert.strictEqual(error.reason._tag, "GaveUp")
          return yield* Stream.runCollect(session.run(prompt))
        })
      )
      const tags = events.map((event) => (event._tag === "Ended" ? event.outcome : event._tag))
      assert.includeMembers(tags, ["Delivered", "completed"])
    })
  )
})

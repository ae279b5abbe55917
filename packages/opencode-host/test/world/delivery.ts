import { assert } from "@effect/vitest"
import { Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { endOf, newSession, promptOf, runPrompt, tags, watchingRequests } from "../support.ts"
import { inWorld } from "./inWorld.ts"

/** Runs with a server that is killed when this process sends it a prompt, once. */
const killedByPrompt = <A, E, R>(pid: number, run: Effect.Effect<A, E, R>) => {
  let isAlive = true
  return watchingRequests((path) => {
    if (!isAlive || !path.endsWith("/prompt_async")) return
    isAlive = false
    process.kill(pid, "SIGKILL")
  }, run)
}

const promptsOf = Effect.fnUntraced(function* (text: string) {
  const { requests } = yield* ScriptedProvider
  return (yield* requests).filter(({ kind, lastUserText }) => kind === "chat" && lastUserText === text).length
})

export const deliveryTests = inWorld(
  "a prompt",
  () => Reply.text("Hello."),
  (it) => {
    it.effect("whose server exits before it is stored is sent to the next server, runs once, and reports that", () =>
      Effect.gen(function* () {
        const { server, turn } = yield* OpenCodeHost
        const prompt = yield* promptOf(yield* newSession, "sent twice")
        const { pid = 0 } = yield* server
        const events = yield* killedByPrompt(pid, Stream.runCollect(turn(prompt)))
        assert.deepStrictEqual(tags(events).slice(0, 2), ["DeliveryRetried", "Delivered"])
        assert.strictEqual(endOf(events).outcome, "completed")
        assert.notStrictEqual((yield* server).pid, pid)
        assert.strictEqual(yield* promptsOf("sent twice"), 1)
      })
    )

    it.effect("that begins like a command is sent as plain text", () =>
      Effect.gen(function* () {
        const text = "/init and nothing else"
        assert.strictEqual(endOf(yield* runPrompt(text)).outcome, "completed")
        assert.strictEqual(yield* promptsOf(text), 1)
      })
    )
  }
)

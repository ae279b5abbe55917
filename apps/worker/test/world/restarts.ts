import { assert } from "@effect/vitest"
import { Client } from "@opencode-worker/client/effect"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect, Fiber, Stream } from "effect"
import { madeForKey } from "../../src/opencode/sessions.ts"
import { answer, ask, newSession, runWorker, schedule, send, viewOf } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

/** OpenCode boots twice, and slowly on a loaded machine. */
const limit = { timeout: 120_000 }

export const restartsTests = inWorld("a turn", (it) => {
  it.effect(
    "completes although OpenCode dies before it creates the session, with notices of the wait and the restart",
    () =>
      Effect.gen(function* () {
        const host = yield* OpenCodeHost
        const sessionId = yield* newSession
        yield* runWorker
        const { pid = 0 } = yield* host.server
        // The server listens but does not respond, so the turn stays claimed.
        process.kill(pid, "SIGSTOP")
        const turnId = yield* send(sessionId, "hello")
        const notices = new Set<string>()
        const followed = yield* Client.use((operator) =>
          operator
            .stream(({ turns }) => turns.follow(turnId))
            .pipe(
              Stream.runForEach(({ blocks }) =>
                Effect.sync(() => {
                  for (const block of blocks) if (block.kind === "notice") notices.add(block.text)
                })
              )
            )
        ).pipe(Effect.forkScoped)
        const seen = Effect.sync(() => [...notices].join())
        yield* Effect.repeat(seen, { until: (text) => text.includes("Waiting for OpenCode"), schedule })
        assert.strictEqual((yield* viewOf(turnId)).status, "claimed")
        process.kill(pid, "SIGKILL")
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: hello" })
        yield* Fiber.join(followed)
        assert.match(yield* seen, /did not take the prompt, which is sent again/)
      }),
    limit
  )

  it.effect(
    "uses the OpenCode session that an earlier process created but did not link",
    () =>
      Effect.gen(function* () {
        const { client } = yield* OpenCodeHost
        const sessionId = yield* newSession
        const { id } = yield* client.sessions.create({ title: "untold", metadata: { [madeForKey]: sessionId } })
        yield* runWorker
        assert.strictEqual((yield* ask(sessionId, "hello")).text, "1: hello")
        const ofIt = (yield* client.sessions.list()).filter(({ metadata }) => metadata?.[madeForKey] === sessionId)
        assert.deepStrictEqual(
          ofIt.map((session) => session.id),
          [id]
        )
      }),
    limit
  )
})

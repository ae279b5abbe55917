import { assert, layer } from "@effect/vitest"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect } from "effect"
import { madeForKey } from "../src/opencode/sessions.ts"
import { answer, ask, newSession, runWorker, schedule, send, viewOf, world } from "./support/world.ts"

/** OpenCode boots twice, and slowly on a loaded machine. */
const limit = { timeout: 90_000 }

layer(world, { excludeTestServices: true, timeout: 120_000 })("a turn", (it) => {
  it.effect(
    "is carried through although OpenCode dies before it has the conversation",
    () =>
      Effect.gen(function* () {
        const host = yield* OpenCodeHost
        const sessionId = yield* newSession
        yield* runWorker
        const { pid = 0 } = yield* host.server
        // A server that listens and does not answer: the turn is claimed, and comes no further.
        process.kill(pid, "SIGSTOP")
        const turnId = yield* send(sessionId, "hello")
        yield* Effect.repeat(viewOf(turnId), { until: ({ status }) => status === "claimed", schedule })
        process.kill(pid, "SIGKILL")
        assert.deepInclude(yield* answer(turnId), { status: "completed", text: "1: hello" })
      }),
    limit
  )

  it.effect(
    "goes on in the conversation that an earlier process made for it and could not tell of",
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

import { assert, layer } from "@effect/vitest"
import { OpenCodeHome, Reply, ScriptedProvider } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Effect } from "effect"
import { join } from "node:path"
import { Operator } from "../src/Operator.ts"
import { makeWorker } from "../src/Worker.ts"
import { answer, ask, echo, limit, newSession, script, send, streaming, world } from "./support/world.ts"

layer(world, { excludeTestServices: true, timeout: 120_000 })("two workers with one identity", (it) => {
  it.effect(
    "the second fences the first, which stops and says so; nothing is answered twice",
    () =>
      Effect.gen(function* () {
        const home = yield* OpenCodeHome
        const operator = yield* Operator
        const provider = yield* ScriptedProvider
        const sessionId = yield* newSession
        const start = Effect.gen(function* () {
          const { lifecycle } = yield* makeWorker({
            machine: "test",
            directory: home.directory,
            credentials: join(home.root, "worker.json"),
            processId: "test",
            onPairingCode: operator.approve
          })
          yield* lifecycle.send(WorkerEvent.cases.Start.make({}))
          yield* lifecycle.awaitState("Ready")
          return lifecycle
        })
        yield* script((request) =>
          request.lastUserText === "for ever" ? Reply.sequence([Reply.text("so far"), Reply.hang]) : echo(request)
        )
        const { chats } = yield* provider.stats
        const first = yield* start
        const turnId = yield* send(sessionId, "for ever")
        const waiting = yield* send(sessionId, "next")
        yield* streaming(turnId)

        yield* start
        const { exitCode } = yield* first.stopped
        assert.strictEqual(exitCode, 79)
        const cut = yield* answer(turnId)
        assert.include(["interrupted", "aborted"], cut.status)
        assert.strictEqual(cut.text, "so far")
        assert.deepInclude(yield* answer(waiting), { status: "completed", text: "2: next" })
        assert.strictEqual((yield* ask(sessionId, "and now?")).text, "3: and now?")
        assert.strictEqual((yield* provider.stats).chats - chats, 3)
      }),
    limit
  )
})

import { assert } from "@effect/vitest"
import { api } from "@opencode-worker/convex-backend/api"
import { ModelCache } from "@opencode-worker/model-cache"
import { Reply } from "@opencode-worker/testkit"
import { Deferred, Effect } from "effect"
import { Client } from "@opencode-worker/client/effect"
import {
  answer,
  echo,
  limit,
  newSession,
  personal,
  runWorker,
  schedule,
  script,
  send,
  settled,
  streaming,
  viewOf
} from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

export const commandsTests = inWorld("a command", (it) => {
  it.effect(
    "drain finishes the running turn, starts no other, and stops; the next worker runs queued turns",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const { mutation } = yield* personal
        const sessionId = yield* newSession
        const gate = yield* Deferred.make<void>()
        yield* script((request) =>
          request.lastUserText === "now"
            ? Reply.sequence([Reply.text("so far, "), Reply.wait(Deferred.await(gate)), Reply.text("so good")])
            : echo(request)
        )
        const { behind, later } = yield* Effect.scoped(
          Effect.gen(function* () {
            const workerId = yield* runWorker
            const becomes = (wanted: string) =>
              Effect.repeat(
                Effect.map(
                  operator.call(({ workers }) => workers.list()),
                  (all) => all.find((each) => each.workerId === workerId)?.phase
                ),
                { until: (phase) => phase === wanted, schedule }
              )
            const turns = yield* Effect.forEach(["now", "behind it"], (text) => send(sessionId, text))
            const [now, second] = turns
            if (now === undefined || second === undefined) return yield* Effect.die("They were not sent")
            yield* streaming(now)
            const commandId = yield* mutation(api.workers.drain, { workerId, idempotencyKey: "drain" })
            assert.deepInclude(yield* settled(commandId), { status: "done", error: null })
            yield* becomes("draining")
            const elsewhere = yield* send(yield* operator.call(({ sessions }) => sessions.create(workerId)), "later")
            yield* Deferred.succeed(gate, undefined)
            assert.deepInclude(yield* answer(now), { status: "completed", text: "so far, so good" })
            yield* becomes("stopped")
            for (const turnId of [second, elsewhere]) {
              assert.deepInclude(yield* viewOf(turnId), { status: "queued" })
            }
            return { behind: second, later: elsewhere }
          })
        )
        yield* runWorker
        assert.deepInclude(yield* answer(behind), { status: "completed", text: "2: behind it" })
        assert.deepInclude(yield* answer(later), { status: "completed", text: "1: later" })
      }),
    limit
  )

  it.effect(
    "refreshModels fetches the models from OpenCode again",
    () =>
      Effect.gen(function* () {
        const models = yield* ModelCache
        const { mutation, query } = yield* personal
        yield* newSession
        const workerId = yield* runWorker
        const shown = yield* Effect.repeat(query(api.models.get, { workerId }), {
          until: (catalog) => catalog !== null,
          schedule
        })
        assert.include(shown?.models, "scripted/echo")
        const { fetches } = yield* models.stats
        const commandId = yield* mutation(api.workers.refreshModels, { workerId, idempotencyKey: "refresh" })
        assert.deepInclude(yield* settled(commandId), { status: "done", error: null })
        assert.strictEqual((yield* models.stats).fetches, fetches + 1)
      }),
    limit
  )
})

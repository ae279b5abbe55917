import { assert, layer } from "@effect/vitest"
import { listProcesses, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Effect } from "effect"
import { openCodeSessions } from "../src/opencode/sessions.ts"
import { Client } from "@opencode-worker/client/effect"
import { ask, limit, runWorker, schedule, worldWith } from "./support/world.ts"

layer(worldWith({ idleTimeout: "3 seconds" }), { excludeTestServices: true, timeout: 120_000 })(
  "a worker with an idle timeout",
  (it) => {
    it.effect(
      "stops OpenCode, stays Ready or paused, and starts it for the next prompt",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const { hostId } = yield* OpenCodeHost
          const workerId = yield* runWorker
          const sessionId = yield* operator.call(({ sessions }) => sessions.create(workerId))
          assert.strictEqual((yield* ask(sessionId, "hello")).text, "1: hello")

          yield* listProcesses(hostId).pipe(Effect.repeat({ until: (pids) => pids.length === 0, schedule }))
          const { list } = yield* openCodeSessions
          assert.strictEqual((yield* Effect.flip(list(undefined))).message, "OpenCode is asleep")
          assert.deepStrictEqual(yield* listProcesses(hostId), [])
          const worker = (yield* operator.call(({ workers }) => workers.list())).find(
            (each) => each.workerId === workerId
          )
          assert.deepInclude(worker, { online: true, phase: "ready" })
          assert.strictEqual((yield* ask(sessionId, "still there?")).text, "2: still there?")

          yield* operator.call(({ workers }) => workers.pause(workerId))
          yield* listProcesses(hostId).pipe(Effect.repeat({ until: (pids) => pids.length === 0, schedule }))
          assert.strictEqual((yield* Effect.flip(list(undefined))).message, "OpenCode is asleep")
          assert.deepStrictEqual(yield* listProcesses(hostId), [])
          const paused = (yield* operator.call(({ workers }) => workers.list())).find(
            (each) => each.workerId === workerId
          )
          assert.deepInclude(paused, { online: true, phase: "paused" })
        }),
      limit
    )
  }
)

import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { ConvexClient } from "@opencode-worker/convex-sync"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Effect, type Option } from "effect"
import { Deployment } from "../src/Deployment.ts"
import { Operator } from "../src/Operator.ts"
import { makeWorker } from "../src/Worker.ts"
import { limit, world } from "./support/world.ts"

/** Takes back the approval of a worker, as its operator. */
const revoke = Effect.fnUntraced(function* (workerId: Effect.Effect<Option.Option<Id<"workers">>>) {
  const { operatorToken, url } = yield* Deployment
  const operator = yield* ConvexClient.make({ url, auth: operatorToken })
  yield* operator.mutation(api.workers.revoke, { workerId: yield* Effect.flatMap(workerId, Effect.fromOption) })
})

const Start = WorkerEvent.cases.Start.make({})

layer(world, { excludeTestServices: true, timeout: 120_000 })("a worker whose approval is taken back", (it) => {
  it.effect(
    "stops as not authorised, not as fenced, and says what to do; so does its next start",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const { directory, root } = yield* OpenCodeHome
        const credentials = join(root, "revoked.json")
        const options = { machine: "test", directory, credentials, processId: "test", onPairingCode: operator.approve }
        const { lifecycle, workerId } = yield* makeWorker(options)
        yield* lifecycle.send(Start)
        yield* lifecycle.awaitState("Ready")
        yield* revoke(workerId)
        const stopped = yield* lifecycle.stopped
        assert.deepInclude(stopped, { reason: "NotAuthorised", exitCode: 77 })
        assert.include(stopped.detail, `Remove ${credentials} and start again.`)

        const next = yield* makeWorker(options)
        yield* next.lifecycle.send(Start)
        assert.deepInclude(yield* next.lifecycle.stopped, { reason: "NotAuthorised", exitCode: 77 })
      }),
    limit
  )

  it.effect(
    "hears of it while it is paused, when nothing but its lease tells",
    () =>
      Effect.gen(function* () {
        const operator = yield* Operator
        const { directory, root } = yield* OpenCodeHome
        const { lifecycle, workerId } = yield* makeWorker({
          machine: "test",
          directory,
          credentials: join(root, "paused.json"),
          processId: "test",
          onPairingCode: operator.approve
        })
        yield* lifecycle.send(Start)
        yield* lifecycle.awaitState("Ready")
        yield* lifecycle.send(WorkerEvent.cases.Pause.make({}))
        yield* revoke(workerId)
        assert.deepInclude(yield* lifecycle.stopped, { reason: "NotAuthorised", exitCode: 77 })
      }),
    limit
  )
})

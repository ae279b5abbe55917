import { createHash } from "node:crypto"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { Effect, type Option, Redacted } from "effect"
import * as Credentials from "../src/state/Credentials.ts"
import { EmbeddedDeployment } from "../src/local/EmbeddedDeployment.ts"
import { Client } from "@opencode-worker/client/effect"
import { makeWorker } from "../src/Worker.ts"
import { limit, worldWithoutOpenCode } from "./support/world.ts"

/** Revokes a worker, as its operator. */
const revoke = Effect.fnUntraced(function* (workerId: Effect.Effect<Option.Option<Id<"workers">>>) {
  const { operatorToken, url } = yield* EmbeddedDeployment
  const operator = yield* ConvexClient.make({ url, auth: operatorToken })
  yield* operator.mutation(api.workers.revoke, { workerId: yield* Effect.flatMap(workerId, Effect.fromOption) })
})

/** Replaces the worker's secret, as the owner of a copied credentials file could during its first lease. */
const replaceSecret = Effect.fnUntraced(function* (file: string) {
  const { url } = yield* EmbeddedDeployment
  const { secret, workerId } = yield* Effect.flatMap(Credentials.read(file), Effect.fromOption)
  const stranger = yield* ConvexClient.make({ url })
  const secretHash = createHash("sha256").update("another secret").digest("hex")
  yield* stranger.mutation(api.pairing.rotate, { workerId, secret: Redacted.value(secret), epoch: 1, secretHash })
})

const Start = WorkerEvent.cases.Start.make({})

/** A worker that its operator approves, with credentials of its own. */
const optionsWith = Effect.fnUntraced(function* (file: string) {
  const operator = yield* Client
  const { directory, root } = yield* OpenCodeHome
  return {
    machine: "test",
    directory,
    credentials: join(root, file),
    processId: "test",
    onPairingCode: (code: string) => operator.call(({ workers }) => workers.approve(code))
  }
})

layer(worldWithoutOpenCode, { excludeTestServices: true, timeout: 120_000 })(
  "a worker that is no longer authorised",
  (it) => {
    it.effect(
      "stops with the remedy after its revocation, not as fenced, and so does its next start",
      () =>
        Effect.gen(function* () {
          const options = yield* optionsWith("revoked.json")
          const { lifecycle, workerId } = yield* makeWorker(options)
          yield* lifecycle.send(Start)
          yield* lifecycle.awaitState("Ready")
          yield* revoke(workerId)
          const stopped = yield* lifecycle.stopped
          assert.deepInclude(stopped, { reason: "NotAuthorised", exitCode: 77 })
          assert.include(stopped.detail, `Remove ${options.credentials} and start again.`)

          const next = yield* makeWorker(options)
          yield* next.lifecycle.send(Start)
          assert.deepInclude(yield* next.lifecycle.stopped, { reason: "NotAuthorised", exitCode: 77 })
        }),
      limit
    )

    it.effect(
      "detects a revocation through its lease while it is paused",
      () =>
        Effect.gen(function* () {
          const operator = yield* Client
          const { directory, root } = yield* OpenCodeHome
          const { lifecycle, workerId } = yield* makeWorker({
            machine: "test",
            directory,
            credentials: join(root, "paused.json"),
            processId: "test",
            onPairingCode: (code: string) => operator.call(({ workers }) => workers.approve(code))
          })
          yield* lifecycle.send(Start)
          yield* lifecycle.awaitState("Ready")
          yield* lifecycle.send(WorkerEvent.cases.Pause.make({}))
          yield* revoke(workerId)
          assert.deepInclude(yield* lifecycle.stopped, { reason: "NotAuthorised", exitCode: 77 })
        }),
      limit
    )

    it.effect(
      "stops with the remedy after its secret was replaced elsewhere, and so does its next start",
      () =>
        Effect.gen(function* () {
          const options = yield* optionsWith("replaced.json")
          const { lifecycle } = yield* makeWorker(options)
          yield* lifecycle.send(Start)
          yield* lifecycle.awaitState("Ready")
          yield* replaceSecret(options.credentials)
          const stopped = yield* lifecycle.stopped
          assert.deepInclude(stopped, { reason: "NotAuthorised", exitCode: 77 })
          assert.include(stopped.detail, `Remove ${options.credentials} and start again.`)

          const next = yield* makeWorker(options)
          yield* next.lifecycle.send(Start)
          assert.deepInclude(yield* next.lifecycle.stopped, { reason: "NotAuthorised", exitCode: 77 })
        }),
      limit
    )
  }
)

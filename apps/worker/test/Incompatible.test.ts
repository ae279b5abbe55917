/** A worker whose release is too far from that of its deployment. */
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Client } from "@opencode-worker/client/effect"
import { ConvexClient, ConvexClientError, ConvexClientReason } from "@opencode-worker/effect-convex"
import { OpenCodeHome } from "@opencode-worker/testkit"
import { WorkerEvent } from "@opencode-worker/worker-fsm"
import { getFunctionName } from "convex/server"
import { Effect } from "effect"
import { makeWorker } from "../src/Worker.ts"
import { limit, worldWithoutOpenCode } from "./support/world.ts"

type Mutation = ConvexClient["Service"]["mutation"]

/** Starts a worker whose calls of the deployment pass through `change`. */
const startedWith = Effect.fnUntraced(function* (file: string, change: (mutation: Mutation) => Mutation) {
  const convex = yield* ConvexClient
  const operator = yield* Client
  const { directory, root } = yield* OpenCodeHome
  const { lifecycle } = yield* makeWorker({
    machine: "test",
    directory,
    credentials: join(root, file),
    processId: "test",
    onPairingCode: (code) => operator.call(({ workers }) => workers.approve(code))
  }).pipe(Effect.provideService(ConvexClient, { ...convex, mutation: change(convex.mutation) }))
  yield* lifecycle.send(WorkerEvent.cases.Start.make({}))
  return lifecycle
})

/** A release with another version of the protocol. */
const withProtocol =
  (protocol: string) =>
  (mutation: Mutation): Mutation =>
  (reference, ...[args]) =>
    Reflect.apply(mutation, undefined, [
      reference,
      "protocol" in Object(args) || getFunctionName(reference) === "lease:acquire" ? { ...args, protocol } : args
    ])

layer(worldWithoutOpenCode, { excludeTestServices: true, timeout: 120_000 })("a worker of another release", (it) => {
  it.effect(
    "stops with exit code 78 and the advice, before its pairing and at a later start",
    () =>
      Effect.gen(function* () {
        const newer = yield* startedWith("newer.json", withProtocol("99.0"))
        const refused = yield* newer.stopped
        assert.deepInclude(refused, { reason: "Configuration", exitCode: 78 })
        assert.match(refused.detail, /newer than the deployment's .*: deploy the functions/)

        const paired = yield* Effect.scoped(
          Effect.tap(
            startedWith("older.json", (mutation) => mutation),
            (lifecycle) => lifecycle.awaitState("Ready")
          )
        )
        assert.isDefined(paired)
        const older = yield* startedWith("older.json", withProtocol("0.9"))
        const stopped = yield* older.stopped
        assert.deepInclude(stopped, { reason: "Configuration", exitCode: 78 })
        assert.match(stopped.detail, /older than the deployment's .*: update opencode-worker/)
      }),
    limit
  )

  it.effect(
    "stops with exit code 78 when its deployment is updated while it runs",
    () =>
      Effect.gen(function* () {
        let isUpdated = false
        const refused = new ConvexClientError({
          operation: "lease:heartbeat",
          reason: new ConvexClientReason.Rejected({
            code: "Incompatible",
            message: "update opencode-worker",
            data: null
          })
        })
        const lifecycle = yield* startedWith(
          "running.json",
          (mutation) =>
            (reference, ...rest) =>
              isUpdated && getFunctionName(reference) === "lease:heartbeat"
                ? Effect.fail(refused)
                : mutation(reference, ...rest)
        )
        yield* lifecycle.awaitState("Ready")
        isUpdated = true
        yield* lifecycle.send(WorkerEvent.cases.Pause.make({}))
        const stopped = yield* lifecycle.stopped
        assert.deepInclude(stopped, { reason: "Configuration", exitCode: 78 })
        assert.include(stopped.detail, "update opencode-worker")
      }),
    limit
  )
})

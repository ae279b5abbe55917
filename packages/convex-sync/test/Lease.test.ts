import { assert, describe, it, layer } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Layer, Redacted, Ref, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { api, ConvexSyncError, isLoss, Lease, type LeaseOptions, type LeaseStore } from "../src/index.ts"
import { ConvexClient, ConvexClientReason } from "@opencode-worker/effect-convex"
import { connection, Deployment, pair, signature } from "./support/deployment.ts"

const failure = (reason: ConvexSyncError["reason"]) => new ConvexSyncError({ operation: "lease:heartbeat", reason })
const fenced = failure(new ConvexClientReason.Rejected({ code: "Fenced", message: "Epoch 1 is over", data: null }))
const silent = failure(new ConvexClientReason.Timeout({ millis: 1 }))

/** A deployment whose leases last 25 s, and whose clock is an hour ahead. */
const setUp = Effect.fnUntraced(function* (port: Partial<LeaseStore> = {}, options: Partial<LeaseOptions> = {}) {
  const beats: Array<readonly [second: number, phase: string]> = []
  const released: Array<number> = []
  const term = Effect.map(Clock.currentTimeMillis, (now) => ({
    serverTime: now + 3_600_000,
    leaseExpiresAt: now + 3_600_000 + 25_000
  }))
  const lease = yield* Lease.make(
    {
      acquire: () => Effect.map(term, (granted) => ({ ...granted, epoch: 1 })),
      heartbeat: (_, phase) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          beats.push([now / 1_000, phase])
          return term
        }),
      release: (epoch) => Effect.sync(() => released.push(epoch)),
      ...port
    },
    { processId: "p", ...options }
  )
  return { lease, beats, released }
})

describe("Lease", () => {
  it.effect("sends a heartbeat every 10 seconds, and at once when the phase changes", () =>
    Effect.gen(function* () {
      const { lease, beats } = yield* setUp()
      yield* TestClock.adjust("20 seconds")
      yield* TestClock.adjust("5 seconds")
      yield* lease.setPhase("ready")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(beats, [
        [10, "connecting"],
        [20, "connecting"],
        [25, "ready"],
        [35, "ready"]
      ])
    })
  )

  it.effect("calculates its expiry from the last confirmed heartbeat by the deployment's clock", () =>
    Effect.gen(function* () {
      const answers = yield* Ref.make(true)
      const { lease } = yield* setUp({
        heartbeat: () =>
          Effect.flatMap(Ref.get(answers), (is) =>
            is ? Effect.succeed({ serverTime: 0, leaseExpiresAt: 25_000 }) : Effect.fail(silent)
          )
      })
      assert.strictEqual(Duration.toSeconds(yield* lease.remaining), 25)
      yield* TestClock.adjust("14 seconds")
      assert.strictEqual(Duration.toSeconds(yield* lease.remaining), 21)
      yield* Ref.set(answers, false)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(Duration.toSeconds(yield* lease.remaining), 0)
    })
  )

  it.effect("is lost when the deployment rejects a heartbeat, and sends no more", () =>
    Effect.gen(function* () {
      let beats = 0
      const { lease } = yield* setUp({
        heartbeat: () =>
          Effect.suspend(() => {
            beats += 1
            return Effect.fail(fenced)
          })
      })
      const lost = yield* Effect.forkChild(Effect.flip(lease.lost))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(lost), fenced)
      assert.strictEqual(beats, 1)
    })
  )

  it.effect("is lost when another call is rejected because of the lease", () =>
    Effect.gen(function* () {
      const { lease } = yield* setUp()
      yield* lease.report(silent)
      yield* lease.report(fenced)
      assert.strictEqual(yield* Effect.flip(lease.lost), fenced)
    })
  )

  it.effect("is not lost while the deployment is unreachable", () =>
    Effect.gen(function* () {
      let beats = 0
      const { lease } = yield* setUp({
        heartbeat: () =>
          Effect.suspend(() => {
            beats += 1
            return Effect.fail(silent)
          })
      })
      const lost = yield* Effect.forkChild(Effect.exit(lease.lost))
      yield* TestClock.adjust("10 minutes")
      assert.isUndefined(lost.pollUnsafe())
      assert.isAtLeast(beats, 30)
    })
  )

  it.effect("sends one heartbeat at a time, and the newest phase after the response", () =>
    Effect.gen(function* () {
      const phases: Array<string> = []
      const back = yield* Deferred.make<void>()
      const { lease } = yield* setUp({
        heartbeat: (_, phase) =>
          Effect.gen(function* () {
            phases.push(phase)
            yield* Deferred.await(back)
            return { serverTime: 0, leaseExpiresAt: 25_000 }
          })
      })
      yield* lease.setPhase("ready")
      yield* TestClock.adjust("10 minutes")
      yield* lease.setPhase("draining")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(phases, ["ready"])
      yield* Deferred.succeed(back, undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(phases, ["ready", "draining"])
    })
  )

  it.effect("is released once, when its scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { released } = yield* Scope.provide(setUp(), scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(released, [1])
    })
  )

  it.effect("is not released after it was lost", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { lease, released } = yield* Scope.provide(setUp(), scope)
      yield* lease.report(fenced)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(released, [])
    })
  )

  it.effect("limits the wait for an unreachable deployment when it is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(setUp({ release: () => Effect.never }), scope)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(closing)
    })
  )

  it.effect("can be interrupted while it is acquired", () =>
    Effect.gen(function* () {
      const acquiring = yield* Deferred.make<void>()
      const waiting = yield* Effect.forkChild(
        setUp({ acquire: () => Effect.andThen(Deferred.succeed(acquiring, undefined), Effect.never) })
      )
      yield* Deferred.await(acquiring)
      yield* Fiber.interrupt(waiting)
    })
  )
})

layer(Deployment.layer, { excludeTestServices: true })("Lease over a deployment", (test) => {
  test.effect("excludes another process until it is released, then fences the first process", () =>
    Effect.gen(function* () {
      const operator = yield* connection("ann")
      const credentials = yield* pair(operator)
      const lease = (processId: string, scope: Scope.Scope) =>
        Layer.buildWithScope(Lease.layer(credentials, { processId }), scope).pipe(
          Effect.map((context) => Layer.succeedContext(context)),
          Effect.provideService(ConvexClient, operator)
        )
      const first = yield* Scope.make()
      yield* lease("one", first)
      const refused = yield* Effect.flip(lease("two", yield* Effect.scope))
      assert.deepNestedInclude(refused, { "reason.code": "Conflict" })
      yield* Scope.close(first, Exit.void)

      const second = yield* lease("two", yield* Effect.scope)
      yield* Effect.gen(function* () {
        const { epoch, lost, mutation, query } = yield* Lease
        assert.deepStrictEqual(yield* query(api.queue.listReady, { limit: 1 }), [])
        // Another process with the worker's secret takes over.
        const stolen = signature(credentials, epoch)
        yield* operator.mutation(api.lease.release, stolen)
        const refusal = yield* Effect.flip(mutation(api.queue.appendDeltas, { batches: [] }))
        assert.isTrue(isLoss(refusal))
        assert.strictEqual(yield* Effect.flip(lost), refusal)
      }).pipe(Effect.provide(second))
    })
  )

  test.effect("publishes the phase to the operator, and is lost at once when the worker is revoked", () =>
    Effect.gen(function* () {
      const operator = yield* connection("bob")
      const credentials = yield* pair(operator)
      yield* Effect.gen(function* () {
        const lease = yield* Lease
        yield* lease.setPhase("ready")
        yield* operator.subscribe(api.workers.list, {}).pipe(
          Stream.filter(([worker]) => worker?.phase === "ready"),
          Stream.runHead
        )
        const lost = yield* Effect.forkChild(Effect.flip(lease.lost), { startImmediately: true })
        yield* operator.mutation(api.workers.revoke, { workerId: credentials.workerId })
        yield* lease.setPhase("draining")
        assert.deepNestedInclude(yield* Fiber.join(lost), { "reason.code": "Revoked" })
      }).pipe(
        Effect.provide(Lease.layer(credentials, { processId: "p" })),
        Effect.provideService(ConvexClient, operator)
      )
    })
  )

  test.effect("rejects a wrong secret without repeating it in a message", () =>
    Effect.gen(function* () {
      const operator = yield* connection("cid")
      const credentials = { ...(yield* pair(operator)), secret: Redacted.make("hunter2") }
      const error = yield* Effect.flip(Effect.provide(Lease, Lease.layer(credentials, { processId: "p" }))).pipe(
        Effect.provideService(ConvexClient, operator)
      )
      assert.isTrue(isLoss(error))
      assert.notInclude(JSON.stringify(error) + error.message, "hunter2")
    })
  )
})

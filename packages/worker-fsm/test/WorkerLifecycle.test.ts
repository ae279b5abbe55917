import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Random, Ref, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { WorkerEvent, WorkerLifecycle, WorkerMachine, WorkerState } from "../src/index.ts"
import { type Actor, Machine } from "../src/machine/index.ts"
import { timer } from "../src/WorkerTiming.ts"

const connected = [
  { _tag: "Start" },
  { _tag: "Registered", approved: true },
  { _tag: "Connected" }
] as const satisfies ReadonlyArray<WorkerEvent>
const temporary = { _tag: "Fail", reason: "Temporary", detail: "no network" } as const
const sendAll = (lifecycle: WorkerLifecycle["Service"], events: ReadonlyArray<WorkerEvent>) =>
  Effect.forEach(events, (event) => lifecycle.send(event), { discard: true })

const delay = (attempt: number, random: number) =>
  Number(timer({ _tag: "Recovering", attempt, back: "Ready", detail: "" }, {}, random)?.after)

describe("timer", () => {
  it("doubles the delay up to its cap, and half of it is random", () => {
    assert.deepStrictEqual(
      [1, 2, 3, 7, 8, 100, 5000].map((n) => delay(n, 1)),
      [250, 500, 1000, 16000, 30000, 30000, 30000]
    )
    assert.strictEqual(delay(1, 0), 125)
    assert.strictEqual(delay(100, 0), 15000)
  })

  it.effect.prop(
    "a recovery is never later than its cap, and never immediate",
    [
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 })),
      Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 }))
    ],
    ([attempt, random]) =>
      Effect.sync(() => {
        assert.isAtMost(delay(attempt, random), 30_000)
        assert.isAtLeast(delay(attempt, random), 125)
      })
  )
})

describe("WorkerLifecycle", () => {
  it.effect("is driven by events alone, and ends with the exit code", () =>
    Effect.gen(function* () {
      const lifecycle = yield* WorkerLifecycle
      const ready = yield* Effect.forkChild(lifecycle.awaitState("Ready"))
      yield* TestClock.adjust(0)
      yield* sendAll(lifecycle, connected)
      assert.deepStrictEqual(yield* Fiber.join(ready), { _tag: "Ready", attempt: 0 })
      yield* sendAll(lifecycle, [{ _tag: "Stop" }, { _tag: "Drained" }, { _tag: "Closed" }])
      assert.deepInclude(yield* lifecycle.stopped, { reason: "Requested", exitCode: 0 })
    }).pipe(Effect.provide(WorkerLifecycle.layer()))
  )

  it.effect("is driven by its activities, which return the next event", () =>
    Effect.gen(function* () {
      const lifecycle = yield* WorkerLifecycle
      yield* lifecycle.send({ _tag: "Start" })
      yield* lifecycle.awaitState("Ready")
      yield* lifecycle.send({ _tag: "Stop" })
      assert.deepInclude(yield* lifecycle.stopped, { reason: "Requested", exitCode: 0 })
      const passed = (yield* lifecycle.history).map(({ to }) => to._tag)
      const expected = ["Registering", "AwaitingApproval", "Connecting", "Ready", "Draining", "Stopping", "Stopped"]
      assert.deepStrictEqual(passed, expected)
    }).pipe(
      Effect.provide(
        WorkerLifecycle.layer({
          activities: {
            Registering: () => Effect.succeed({ _tag: "Registered", approved: false }),
            AwaitingApproval: () => Effect.succeed({ _tag: "Approved" }),
            Connecting: () => Effect.succeed({ _tag: "Connected" }),
            Draining: () => Effect.void,
            Stopping: () => Effect.void
          }
        })
      )
    )
  )

  it.effect("recovers with growing delays, and stops after maxRecoveries", () =>
    Effect.gen(function* () {
      const lifecycle = yield* WorkerLifecycle
      yield* sendAll(lifecycle, connected)
      yield* lifecycle.send(temporary)
      yield* TestClock.adjust("10 minutes")
      const stopped = yield* lifecycle.stopped
      assert.deepInclude(stopped, { reason: "Temporary", exitCode: 75, detail: "still no network" })
      const history = yield* lifecycle.history
      const retries = history.filter(({ event }) => event._tag === "Retry")
      const failures = history.filter(({ event }) => event._tag === "Fail")
      const delays = retries.map(({ at }, i) => at - (failures[i]?.at ?? 0))
      assert.strictEqual(delays.length, 3)
      delays.forEach((waited, i) => {
        assert.isAtLeast(waited, 125 * 2 ** i)
        assert.isAtMost(waited, 250 * 2 ** i)
      })
    }).pipe(
      Effect.provide(
        WorkerLifecycle.layer({
          maxRecoveries: 3,
          activities: {
            Connecting: ({ attempt }) => (attempt === 0 ? Effect.never : Effect.fail("still no network"))
          }
        })
      )
    )
  )

  it.effect("resets the count of failures only after serving for a while", () =>
    Effect.gen(function* () {
      const lifecycle = yield* WorkerLifecycle
      const fail = Effect.gen(function* () {
        yield* lifecycle.send(temporary)
        yield* TestClock.adjust("1 minute")
        return yield* lifecycle.send({ _tag: "Connected" })
      })
      yield* sendAll(lifecycle, connected)
      yield* fail
      assert.deepStrictEqual(yield* fail, { _tag: "Ready", attempt: 2 })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* lifecycle.state, { _tag: "Ready", attempt: 0 })
    }).pipe(Effect.provide(WorkerLifecycle.layer()))
  )

  it.effect("stops even if draining and closing never end", () =>
    Effect.gen(function* () {
      const lifecycle = yield* WorkerLifecycle
      yield* sendAll(lifecycle, connected)
      yield* lifecycle.send({ _tag: "Stop" })
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* lifecycle.state)._tag, "Draining")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* lifecycle.state)._tag, "Stopping")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* lifecycle.stopped).exitCode, 0)
    }).pipe(
      Effect.provide(
        WorkerLifecycle.layer({ activities: { Draining: () => Effect.never, Stopping: () => Effect.never } })
      )
    )
  )

  it.effect("stops even if draining and closing fail", () =>
    Effect.gen(function* () {
      const lifecycle = yield* WorkerLifecycle
      yield* sendAll(lifecycle, connected)
      yield* lifecycle.send({ _tag: "Stop" })
      assert.strictEqual((yield* lifecycle.stopped).exitCode, 0)
    }).pipe(
      Effect.provide(
        WorkerLifecycle.layer({
          activities: { Draining: () => Effect.fail("turns"), Stopping: () => Effect.die("child") }
        })
      )
    )
  )

  const isState = Schema.is(WorkerState)
  const failure = { _tag: "Fail", detail: "it broke" } as const
  const anyEvent: ReadonlyArray<WorkerEvent> = [
    { _tag: "Registered", approved: true },
    { _tag: "Registered", approved: false },
    { ...failure, reason: "Temporary" },
    { ...failure, reason: "NotAuthorised" },
    { ...failure, reason: "Configuration" },
    { _tag: "Revoked", detail: "revoked" },
    { _tag: "LeaseLost", detail: "epoch 4 is not current" },
    ...(["Start", "Approved", "Connected", "Healthy", "Pause", "Resume", "Drain", "Drained"] as const).map((_tag) => ({
      _tag
    })),
    ...(["Stop", "Closed", "Retry", "GiveUp"] as const).map((_tag) => ({ _tag }))
  ]

  it.effect.prop(
    "random walks of 1,000 events: no invalid state, no activity alive outside its state, Stop reaches Stopped",
    [Schema.Int],
    ([seed]) =>
      Effect.gen(function* () {
        const walk = yield* Effect.forEach(Array.from({ length: 1000 }), () => Random.choice(anyEvent)).pipe(
          Random.withSeed(seed)
        )
        const alive = yield* Ref.make<ReadonlyArray<string>>([])
        const activity: Actor.Activity<WorkerState, WorkerState, WorkerEvent, never, never> = ({ _tag }) =>
          Effect.acquireUseRelease(
            Ref.update(alive, (tags) => [...tags, _tag]),
            () => Effect.never,
            // Yields, so that a machine that does not wait for this finalizer would be noticed.
            () =>
              Effect.andThen(
                Effect.yieldNow,
                Ref.update(alive, (tags) => tags.filter((tag) => tag !== _tag))
              )
          )

        /** Walks until the worker has stopped, or stops it at the end of the walk. Returns the rest of the walk. */
        const live = Effect.fnUntraced(function* (events: ReadonlyArray<WorkerEvent>) {
          const lifecycle = yield* WorkerLifecycle
          yield* TestClock.adjust(0)
          let model = WorkerMachine.initial
          for (const [i, event] of events.entries()) {
            const expected = Result.map(Machine.transition(WorkerMachine, model, event), ({ state }) => state)
            assert.deepStrictEqual(yield* Effect.result(lifecycle.send(event)), expected)
            model = yield* lifecycle.state
            assert.isTrue(isState(model))
            assert.isTrue((yield* Ref.get(alive)).every((tag) => tag === model._tag))
            if (i % 3 === 0) yield* TestClock.adjust(0)
            assert.isAtMost((yield* Ref.get(alive)).length, 1)
            if (model._tag === "Stopped") return events.slice(i + 1)
          }
          yield* lifecycle.send({ _tag: "Stop" })
          yield* TestClock.adjust("1 minute")
          assert.strictEqual((yield* lifecycle.stopped)._tag, "Stopped")
          return []
        })

        let left: ReadonlyArray<WorkerEvent> = walk
        do {
          left = yield* live(left).pipe(
            Effect.provide(WorkerLifecycle.layer({ activities: activity }), { local: true })
          )
          assert.deepStrictEqual(yield* Ref.get(alive), [])
        } while (left.length > 0)
      }),
    { arbitrary: { runs: 20 } }
  )
})

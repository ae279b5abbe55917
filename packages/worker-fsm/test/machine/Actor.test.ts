import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Metric, Option, Ref, Schema, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Actor, Machine } from "../../src/machine/index.ts"

const State = Schema.TaggedUnion({ Idle: {}, Busy: { job: Schema.Int }, Done: {} })
const Event = Schema.TaggedUnion({ Begin: { job: Schema.Int }, Note: {}, End: {}, Quit: {} })
type State = typeof State.Type
type Event = typeof Event.Type

const machine = Machine.make({
  name: "job",
  state: State,
  event: Event,
  initial: { _tag: "Idle" },
  table: {
    Idle: { Begin: { to: "Busy", data: (_, { job }) => ({ job }) }, Quit: { to: "Done" } },
    Busy: {
      Begin: { to: "Busy", data: (_, { job }) => ({ job }) },
      Note: { stay: ({ job }) => ({ job: job + 100 }) },
      End: { to: "Idle" },
      Quit: { to: "Done" }
    },
    Done: { Quit: { stay: true } }
  }
})

const begin = (job: number): Event => ({ _tag: "Begin", job })
const end: Event = { _tag: "End" }
const note: Event = { _tag: "Note" }
const quit: Event = { _tag: "Quit" }
const collect = (actor: Actor.Actor<State, Event>) =>
  Stream.unwrap(Effect.map(actor.subscribe, Stream.fromSubscription)).pipe(
    Stream.takeUntil(({ _tag }) => Machine.isFinal(machine, _tag)),
    Stream.runCollect
  )
const logged = (log: Array<string>, line: string) => Effect.sync(() => void log.push(line))

/** Logs its begin and its end, which waits until the gate is open. */
const reporting =
  (log: Array<string>, gate: Effect.Effect<void> = Effect.void) =>
  (state: State) =>
    Effect.andThen(
      Effect.acquireRelease(logged(log, `+${state._tag}`), () => Effect.andThen(gate, logged(log, `-${state._tag}`))),
      Effect.never
    )

describe("Actor.send", () => {
  it.effect("handles events in the order in which they were sent", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine)
      yield* Effect.forEach([1, 2, 3, 4, 5], (job) => actor.send(begin(job)), { concurrency: "unbounded" })
      const history = yield* actor.history
      assert.deepStrictEqual(
        history.map(({ to }) => to),
        [1, 2, 3, 4, 5].map((job) => State.cases.Busy.make({ job }))
      )
    })
  )

  it.effect("changes nothing when the event is rejected", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const actor = yield* Actor.start(machine, { activities: reporting(log) })
      yield* TestClock.adjust(0)
      const error = yield* Effect.flip(actor.send(end))
      assert.strictEqual(error.reason._tag, "InvalidTransition")
      assert.deepStrictEqual(yield* actor.state, { _tag: "Idle" })
      assert.deepStrictEqual(yield* actor.history, [])
      assert.deepStrictEqual(log, ["+Idle"])
    })
  )

  it.effect("handles an event whose sender was interrupted", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const actor = yield* Actor.start(machine, { activities: reporting([], Deferred.await(gate)) })
      yield* TestClock.adjust(0)
      const sender = yield* Effect.forkChild(actor.send(begin(1)), { startImmediately: true })
      yield* Fiber.interrupt(sender)
      assert.deepStrictEqual(yield* actor.state, { _tag: "Idle" })
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* actor.awaitState("Busy")).job, 1)
    })
  )

  it.effect("is interrupted once the machine is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const actor = yield* Scope.provide(Actor.start(machine), scope)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(actor.send(quit))))
      const ended = yield* Effect.flip(actor.awaitState("Busy"))
      assert.deepInclude(ended.reason, { _tag: "Ended", state: "Idle" })
    })
  )
})

describe("Actor activities", () => {
  it.effect("end, finalizers included, before another state is entered", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const actor = yield* Actor.start(machine, { activities: reporting(log, Deferred.await(gate)) })
      yield* TestClock.adjust(0)
      const sending = yield* Effect.forkChild(actor.send(begin(1)))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* actor.state, { _tag: "Idle" })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(sending)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["+Idle", "-Idle", "+Busy"])
    })
  )

  it.effect("continue while the machine stays, and restart when a state is entered again", () =>
    Effect.gen(function* () {
      const begun = yield* Ref.make(0)
      const actor = yield* Actor.start(machine, {
        activities: {
          Busy: () =>
            Effect.andThen(
              Ref.update(begun, (n) => n + 1),
              Effect.never
            )
        }
      })
      yield* actor.send(begin(1))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* actor.send(note), { _tag: "Busy", job: 101 })
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* Ref.get(begun), 1)
      yield* actor.send(begin(2))
      yield* TestClock.adjust(0)
      assert.strictEqual(yield* Ref.get(begun), 2)
    })
  )

  it.effect("may end by returning the next event", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine, {
        activities: { Busy: () => Effect.as(Effect.sleep("1 minute"), end) }
      })
      yield* actor.send(begin(1))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* actor.state, { _tag: "Idle" })
    })
  )

  it.effect("keep their resources until the state is left, also after they ended", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const actor = yield* Actor.start(machine, {
        activities: { Busy: () => Effect.acquireRelease(Effect.void, () => logged(log, "released")) }
      })
      yield* actor.send(begin(1))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log, [])
      yield* actor.send(end)
      assert.deepStrictEqual(log, ["released"])
    })
  )

  it.effect("may send the event that ends them, as their last action", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const actor = yield* Actor.start(machine, {
        activities: {
          Busy: (_, self) => self.send(end).pipe(Effect.andThen(logged(log, "continued")), Effect.orDie)
        }
      })
      yield* actor.send(begin(1))
      yield* actor.awaitState("Idle")
      assert.deepStrictEqual(log, [])
    })
  )

  it.effect("may send from an uninterruptible region, and from finalizers", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine, {
        activities: {
          Busy: ({ job }, self) =>
            job === 1
              ? Effect.uninterruptible(Effect.ignore(self.send(begin(2))))
              : Effect.onExit(Effect.never, () => Effect.ignore(self.send(quit)))
        }
      })
      yield* actor.send(begin(1))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* actor.state, { _tag: "Busy", job: 2 })
      yield* actor.send(end)
      assert.deepStrictEqual(yield* actor.ended, { _tag: "Done" })
    })
  )

  it.effect("that fail or die lead to the event of `failed`", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine, {
        activities: { Busy: ({ job }) => (job === 1 ? Effect.fail("broken") : Effect.die("worse")) },
        failed: (cause) => (Cause.hasInterruptsOnly(cause) ? undefined : { _tag: "End" })
      })
      yield* actor.send(begin(1))
      yield* actor.awaitState("Idle")
      yield* actor.send(begin(2))
      yield* actor.awaitState("Idle")
      const causes = (yield* actor.history).map(({ cause }) => cause)
      assert.deepStrictEqual(causes, [undefined, "activity", undefined, "activity"])
    })
  )

  it.effect("are interrupted when the machine's scope closes", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      yield* Scope.provide(Actor.start(machine, { activities: reporting(log) }), scope)
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["+Idle", "-Idle"])
    })
  )
})

describe("Actor observation", () => {
  it.effect("a subscription receives the current state, then every following one", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine)
      yield* actor.send(begin(1))
      const seen = yield* Effect.forkChild(collect(actor))
      yield* TestClock.adjust(0)
      yield* Effect.forEach([note, end, quit], (event) => actor.send(event))
      assert.deepStrictEqual(yield* Fiber.join(seen), [
        { _tag: "Busy", job: 1 },
        { _tag: "Busy", job: 101 },
        { _tag: "Idle" },
        { _tag: "Done" }
      ])
      assert.deepStrictEqual(yield* collect(actor), [{ _tag: "Done" }])
    })
  )

  it.effect("awaitState receives a state that the machine has already left", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine)
      const busy = yield* Effect.forkChild(actor.awaitState("Busy"))
      yield* TestClock.adjust(0)
      yield* actor.send(begin(7))
      yield* actor.send(end)
      assert.strictEqual((yield* Fiber.join(busy)).job, 7)
    })
  )

  it.effect("subscriptions and `ended` end when the machine is closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const actor = yield* Scope.provide(Actor.start(machine), scope)
      const seen = yield* Effect.forkChild(collect(actor), { startImmediately: true })
      const ended = yield* Effect.forkChild(actor.ended, { startImmediately: true })
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* Fiber.join(seen), [{ _tag: "Idle" }])
      assert.deepStrictEqual(yield* Fiber.join(ended), { _tag: "Idle" })
    })
  )

  it.effect("awaitState fails when the machine ends in another state", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine)
      yield* actor.send(quit)
      const error = yield* Effect.flip(actor.awaitState("Busy", "Idle"))
      assert.strictEqual(error.message, "job: ended in Done while a caller waited for Busy or Idle.")
    })
  )

  it.effect("the history has from, event, to, time and cause, and is bounded", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine, { historySize: 2 })
      yield* actor.send(begin(1), { cause: "test" })
      yield* TestClock.adjust("5 seconds")
      yield* actor.send(end)
      yield* actor.send(quit)
      assert.deepStrictEqual(yield* actor.history, [
        { from: { _tag: "Busy", job: 1 }, event: end, to: { _tag: "Idle" }, at: 5000, cause: undefined },
        { from: { _tag: "Idle" }, event: quit, to: { _tag: "Done" }, at: 5000, cause: undefined }
      ])
    })
  )

  it.effect("counts transitions and measures the time in each state", () =>
    Effect.gen(function* () {
      const actor = yield* Actor.start(machine)
      yield* TestClock.adjust("3 seconds")
      yield* actor.send(begin(1))
      yield* TestClock.adjust("2 seconds")
      yield* actor.send(note)
      assert.strictEqual(Duration.toMillis(yield* actor.timeInState), 2000)
      const metrics = yield* Metric.snapshot
      const find = (id: string, attributes: object) =>
        metrics.find((m) => m.id === id && Object.entries(attributes).every(([k, v]) => m.attributes?.[k] === v))?.state
      assert.deepInclude(find("machine_transitions_total", { from: "Idle", event: "Begin", to: "Busy" }), { count: 1 })
      assert.deepInclude(find("machine_state_seconds", { machine: "job", state: "Idle" }), { sum: 3 })
      assert.isUndefined(find("machine_state_seconds", { machine: "job", state: "Busy" }))
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("has a span per transition, whose parent is the sender's", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const actor = yield* Actor.start(machine, {
        store: {
          load: Effect.succeedNone,
          save: () =>
            Effect.map(Effect.currentSpan, (span) => {
              const parent = Option.getOrUndefined(span.parent)
              const names = [parent?._tag === "Span" ? parent.name : "none", span.name]
              spans.push([...names, span.attributes.get("from"), span.attributes.get("to")].join(" "))
            }).pipe(Effect.orDie)
        }
      })
      yield* Effect.withSpan(actor.send(begin(1)), "caller")
      assert.deepStrictEqual(spans, ["caller Machine.transition Idle Busy"])
    })
  )
})

const inMemory = (initial: Option.Option<State>) => {
  let stored = initial
  const store: Actor.Store<State> = {
    load: Effect.sync(() => stored),
    save: (state) => Effect.sync(() => void (stored = Option.some(state)))
  }
  return store
}

describe("Actor store", () => {
  it.effect("restores the last state, and starts its activity", () =>
    Effect.gen(function* () {
      const store = inMemory(Option.none())
      yield* Effect.scoped(Effect.flatMap(Actor.start(machine, { store }), (actor) => actor.send(begin(9))))
      const seen = yield* Deferred.make<number>()
      const actor = yield* Actor.start(machine, {
        store,
        activities: { Busy: ({ job }) => Effect.asVoid(Deferred.succeed(seen, job)) }
      })
      assert.deepStrictEqual(yield* actor.state, { _tag: "Busy", job: 9 })
      assert.strictEqual(yield* Deferred.await(seen), 9)
    })
  )

  it.effect("with an unknown state starts in the initial one", () =>
    Effect.gen(function* () {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the state of an earlier version
      const unknown = { _tag: "Waiting" } as never
      const actor = yield* Actor.start(machine, { store: inMemory(Option.some(unknown)) })
      assert.deepStrictEqual(yield* actor.state, { _tag: "Idle" })
    })
  )

  it.effect("that dies does not stop the machine", () =>
    Effect.gen(function* () {
      const store: Actor.Store<State> = { load: Effect.succeedNone, save: () => Effect.die("disk full") }
      const actor = yield* Actor.start(machine, { store })
      assert.deepStrictEqual(yield* actor.send(begin(1)), { _tag: "Busy", job: 1 })
    })
  )
})

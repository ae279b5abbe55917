import { assert, describe, it } from "@effect/vitest"
import { Cause, Data, Deferred, Effect, Exit, Fiber, Metric, Result, Scope, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { SessionPool, SessionPoolError } from "../src/index.ts"

/** A pool whose opens and closes are logged. */
const logged = Effect.fnUntraced(function* (
  options: Partial<SessionPool.SessionPoolOptions<string, string, never, Scope.Scope>> = {}
) {
  const log: Array<string> = []
  const note = (line: string) => Effect.sync(() => void log.push(line))
  const pool = yield* SessionPool.make({
    capacity: 2,
    open: (key: string) => Effect.acquireRelease(Effect.as(note(`+${key}`), key), () => note(`-${key}`)),
    ...options
  })
  return { pool, log, use: (key: string) => pool.use(key, () => note(key)), note }
})

/** Uses a key until the returned effect is run. */
const hold = Effect.fnUntraced(function* <A, E>(pool: SessionPool.SessionPool<string, A, E>, key: string) {
  const held = yield* Deferred.make<void>()
  const end = yield* Deferred.make<void>()
  const fiber = yield* Effect.forkChild(
    pool.use(key, () => Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(end)))
  )
  yield* Effect.raceFirst(Deferred.await(held), Fiber.await(fiber))
  return { end: Effect.andThen(Deferred.succeed(end, undefined), Fiber.join(fiber)) }
})

const reasonOf = (exit: Exit.Exit<unknown, unknown>) => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  return error instanceof SessionPoolError ? error.reason._tag : error
}

describe("SessionPool.use", () => {
  it.effect("opens at the first use and reuses while resident", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged()
      assert.deepStrictEqual(log, [])
      yield* use("a")
      yield* use("a")
      assert.deepStrictEqual(log, ["+a", "a", "a"])
      assert.deepInclude(yield* pool.stats, { resident: 1, opens: 1, hits: 1, inUse: 0, waiting: 0 })
    })
  )

  it.effect("closes the least recently used idle resource, and awaits its finalizer before it opens another", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const note = (line: string) => Effect.sync(() => void log.push(line))
      const pool = yield* SessionPool.make({
        capacity: 2,
        open: (key: string) =>
          Effect.acquireRelease(note(`+${key}`), () => Effect.andThen(Effect.sleep("1 second"), note(`-${key}`)))
      })
      for (const key of ["a", "b", "a"]) yield* pool.use(key, () => Effect.void)
      const user = yield* Effect.forkChild(pool.use("c", () => note("c")))
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(log, ["+a", "+b"])
      assert.strictEqual((yield* pool.stats).resident, 2)
      yield* TestClock.adjust("1 milli")
      yield* Fiber.join(user)
      assert.deepStrictEqual(log, ["+a", "+b", "-b", "+c", "c"])
      const drained = yield* Effect.forkChild(pool.drain())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(drained)
    })
  )

  it.effect("never evicts what is in use: callers wait, in the order in which they came", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged()
      const { end: endA } = yield* hold(pool, "a")
      const { end: endB } = yield* hold(pool, "b")
      const waiting = yield* Effect.forEach(["c", "d", "e"], (key) => Effect.forkChild(use(key)))
      yield* TestClock.adjust("1 hour")
      assert.deepInclude(yield* pool.stats, { resident: 2, inUse: 2, waiting: 3, evictions: 0 })
      yield* endA
      yield* Fiber.joinAll(waiting)
      assert.deepStrictEqual(log, ["+a", "+b", "-a", "+c", "c", "-c", "+d", "d", "-d", "+e", "e"])
      yield* endB
    })
  )

  it.effect("a key in constant demand does not starve other keys", () =>
    Effect.gen(function* () {
      const { pool, use, log } = yield* logged({ capacity: 1 })
      const { end } = yield* hold(pool, "hot")
      const first = yield* Effect.forkChild(use("hot"))
      const other = yield* Effect.forkChild(use("cold"))
      const later = yield* Effect.forkChild(use("hot"))
      yield* TestClock.adjust(0)
      yield* end
      yield* Fiber.joinAll([first, other, later])
      assert.deepStrictEqual(log, ["+hot", "hot", "-hot", "+cold", "cold", "-cold", "+hot", "hot"])
    })
  )

  it.effect("a key shared by several holders lets an older caller of another key go first", () =>
    Effect.gen(function* () {
      const { pool, use, log } = yield* logged({ capacity: 1, concurrency: 2 })
      const { end } = yield* hold(pool, "hot")
      const other = yield* Effect.forkChild(use("cold"))
      yield* TestClock.adjust(0)
      const later = yield* Effect.forkChild(use("hot"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["+hot"])
      yield* end
      yield* Fiber.joinAll([other, later])
      assert.deepStrictEqual(log, ["+hot", "-hot", "+cold", "cold", "-cold", "+hot", "hot"])
    })
  )

  it.effect("a blocked caller continues when the older caller is interrupted", () =>
    Effect.gen(function* () {
      const { pool, use, log } = yield* logged({ capacity: 1, concurrency: 2 })
      const { end } = yield* hold(pool, "hot")
      const other = yield* Effect.forkChild(use("cold"))
      yield* TestClock.adjust(0)
      const later = yield* Effect.forkChild(use("hot"))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(other)
      yield* Fiber.join(later)
      assert.deepStrictEqual(log, ["+hot", "hot"])
      yield* end
    })
  )

  it.effect("one key is used by one caller at a time, different keys run concurrently", () =>
    Effect.gen(function* () {
      const { pool } = yield* logged()
      const { end: endA } = yield* hold(pool, "a")
      const second = yield* Effect.forkChild(pool.use("a", () => Effect.void))
      const { end: endB } = yield* hold(pool, "b")
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(second.pollUnsafe())
      yield* endA
      yield* Fiber.join(second)
      yield* endB
    })
  )

  it.effect("as many as `concurrency` share a resource, and one attempt to open it", () =>
    Effect.gen(function* () {
      const { pool, log } = yield* logged({
        concurrency: 3,
        open: (key) => Effect.as(Effect.sleep("1 second"), key)
      })
      let running = 0
      let most = 0
      const users = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 7 }),
          () =>
            pool.use("a", () =>
              Effect.acquireUseRelease(
                Effect.sync(() => (most = Math.max(most, ++running))),
                () => Effect.sleep("1 second"),
                () => Effect.sync(() => running--)
              )
            ),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(users)
      assert.strictEqual(most, 3)
      assert.deepInclude(yield* pool.stats, { opens: 1, hits: 6 })
      assert.deepStrictEqual(log, [])
    })
  )

  it.effect("rejects a caller when `maxWaiting` are already waiting", () =>
    Effect.gen(function* () {
      const { pool, use } = yield* logged({ capacity: 1, maxWaiting: 1 })
      const { end } = yield* hold(pool, "a")
      const waiting = yield* Effect.forkChild(use("b"))
      yield* TestClock.adjust(0)
      const error = yield* Effect.flip(use("c"))
      assert.strictEqual(
        error.message,
        "1 callers are already waiting for one of 1 slots. Retry later, or raise maxWaiting or capacity."
      )
      assert.strictEqual((yield* pool.stats).waiting, 1)
      yield* end
      yield* Fiber.join(waiting)
      yield* use("c")
    })
  )

  it.effect("does not count a caller that only waits for an eviction against maxWaiting", () =>
    Effect.gen(function* () {
      const { log, use } = yield* logged({ capacity: 1, maxWaiting: 0 })
      yield* use("a")
      yield* use("b")
      assert.deepStrictEqual(log, ["+a", "a", "-a", "+b", "b"])
    })
  )

  it.effect("does not cache a failed open, closes what it had acquired, and lets the next caller try", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      let attempts = 0
      const pool = yield* SessionPool.make({
        capacity: 1,
        idleTimeToLive: "1 hour",
        open: (key: string) =>
          Effect.andThen(
            Effect.acquireRelease(Effect.void, () => Effect.sync(() => void log.push("half closed"))),
            Effect.suspend(() => (++attempts < 3 ? Effect.fail(`no ${attempts}`) : Effect.succeed(key)))
          )
      })
      const results = yield* Effect.forEach([1, 2, 3], () => Effect.result(pool.use("a", Effect.succeed)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(results, [Result.fail("no 1"), Result.fail("no 2"), Result.succeed("a")])
      assert.deepStrictEqual(log, ["half closed", "half closed"])
      assert.deepInclude(yield* pool.stats, { opens: 3, failures: 2, hits: 0, resident: 1 })
    })
  )

  it.effect("callers that share an attempt begin before later ones, however short their use", () =>
    Effect.gen(function* () {
      const { use, log } = yield* logged({ concurrency: 2, open: (key) => Effect.as(Effect.sleep("1 second"), key) })
      const order: Array<number> = []
      const users = yield* Effect.forEach([1, 2, 3, 4], (n) =>
        Effect.forkChild(
          Effect.andThen(
            use("a"),
            Effect.sync(() => order.push(n))
          )
        )
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll(users)
      assert.deepStrictEqual(order, [1, 2, 3, 4])
      assert.deepStrictEqual(log, ["a", "a", "a", "a"])
    })
  )

  it.effect("counts an open that failed as a failure, also when its only caller leaves before it is closed", () =>
    Effect.gen(function* () {
      const { pool, use } = yield* logged({
        open: () =>
          Effect.andThen(
            Effect.acquireRelease(Effect.void, () => Effect.sleep("1 second")),
            Effect.die("boom")
          )
      })
      const user = yield* Effect.forkChild(use("a"))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(user)
      assert.deepInclude(yield* pool.stats, { opens: 1, failures: 1, resident: 1, inUse: 0 })
      yield* pool.invalidate("a").pipe(Effect.forkChild)
      yield* TestClock.adjust("500 millis")
      assert.deepInclude(yield* pool.stats, { failures: 1, resident: 0 })
    })
  )

  it.effect("passes on the defect of an open that dies, and continues", () =>
    Effect.gen(function* () {
      const { pool, use } = yield* logged({ open: (key) => (key === "bad" ? Effect.die("boom") : Effect.succeed(key)) })
      assert.strictEqual(reasonOf(yield* Effect.exit(use("bad"))), "boom")
      yield* use("good")
      assert.deepInclude(yield* pool.stats, { resident: 1, failures: 1 })
    })
  )

  it.effect("a finalizer that dies frees its slot", () =>
    Effect.gen(function* () {
      const { use } = yield* logged({
        capacity: 1,
        open: (key) => Effect.acquireRelease(Effect.succeed(key), () => Effect.die("boom"))
      })
      yield* use("a")
      yield* use("b")
    })
  )

  it.effect("compares keys by value", () =>
    Effect.gen(function* () {
      class Key extends Data.Class<{ readonly directory: string; readonly id: number }> {}
      const pool = yield* SessionPool.make({ capacity: 2, open: (key: Key) => Effect.succeed(key.id) })
      yield* pool.use(new Key({ directory: "/a", id: 1 }), () => Effect.void)
      yield* pool.use(new Key({ directory: "/a", id: 1 }), () => Effect.void)
      assert.strictEqual((yield* pool.stats).opens, 1)
    })
  )
})

describe("SessionPool.get", () => {
  it.effect("holds the resource until the scope closes", () =>
    Effect.gen(function* () {
      const { log, pool, use } = yield* logged({ capacity: 1 })
      const scope = yield* Scope.make()
      assert.strictEqual(yield* Scope.provide(pool.get("a"), scope), "a")
      const waiting = yield* Effect.forkChild(use("b"))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log, ["+a"])
      assert.deepInclude(yield* pool.stats, { inUse: 1, waiting: 1 })
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(log, ["+a", "-a", "+b", "b"])
      assert.deepInclude(yield* pool.stats, { inUse: 0, waiting: 0 })
    })
  )

  it.effect("leaves the queue when it is interrupted while it waits", () =>
    Effect.gen(function* () {
      const { pool } = yield* logged({ capacity: 1 })
      const { end } = yield* hold(pool, "a")
      const waiting = yield* Effect.forkChild(pool.get("b"), { startImmediately: true })
      assert.deepInclude(yield* pool.stats, { waiting: 1 })
      yield* Fiber.interrupt(waiting)
      assert.deepInclude(yield* pool.stats, { waiting: 0, inUse: 1 })
      yield* end
      assert.deepStrictEqual(yield* pool.keys, ["a"])
    })
  )

  it.effect("holds nothing after a failed open, and fails with its error", () =>
    Effect.gen(function* () {
      const pool = yield* SessionPool.make({ capacity: 1, open: () => Effect.fail("refused" as const) })
      assert.strictEqual(yield* Effect.flip(pool.get("a")), "refused")
      assert.strictEqual(yield* Effect.flip(pool.get("b")), "refused")
      assert.deepInclude(yield* pool.stats, { resident: 0, inUse: 0, waiting: 0, failures: 2 })
    })
  )

  it.effect("is rejected like use while maxWaiting callers wait, and while the pool drains", () =>
    Effect.gen(function* () {
      const { pool } = yield* logged({ capacity: 1, maxWaiting: 0 })
      const { end } = yield* hold(pool, "a")
      assert.strictEqual(reasonOf(yield* Effect.exit(pool.get("b"))), "TooManyWaiting")
      yield* end
      yield* pool.drain()
      assert.strictEqual(reasonOf(yield* Effect.exit(pool.get("a"))), "Draining")
    })
  )
})

describe("SessionPool interruption", () => {
  it.effect("of a waiting caller removes it from the queue", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged({ capacity: 1 })
      const { end } = yield* hold(pool, "a")
      const [b, c] = [yield* Effect.forkChild(use("b")), yield* Effect.forkChild(use("c"))]
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(b)
      yield* end
      yield* Fiber.join(c)
      assert.deepStrictEqual(log, ["+a", "-a", "+c", "c"])
    })
  )

  it.effect("of the only caller interrupts the attempt to open, and closes what it had acquired", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const pool = yield* SessionPool.make({
        capacity: 1,
        open: () =>
          Effect.acquireRelease(Effect.void, () => Effect.sync(() => void log.push("closed"))).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => void log.push("interrupted")))
          )
      })
      const user = yield* Effect.forkChild(pool.use("a", () => Effect.void))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(user)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["interrupted", "closed"])
      assert.deepInclude(yield* pool.stats, { resident: 0, inUse: 0, waiting: 0 })
    })
  )

  it.effect("of the caller that opens hands the attempt to the next one", () =>
    Effect.gen(function* () {
      const { pool, use, log } = yield* logged({ open: (key) => Effect.as(Effect.sleep("1 second"), key) })
      const [first, second] = [yield* Effect.forkChild(use("a")), yield* Effect.forkChild(use("a"))]
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(second)
      assert.deepStrictEqual(log, ["a"])
      assert.strictEqual((yield* pool.stats).opens, 1)
    })
  )

  it.effect("while a resource is being used keeps the resource", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged()
      const user = yield* Effect.forkChild(pool.use("a", () => Effect.never))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(user)
      yield* use("a")
      assert.deepStrictEqual(log, ["+a", "a"])
    })
  )

  it.effect("while its victim is being closed leaks no slot", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { pool, use } = yield* logged({
        capacity: 1,
        open: (key) => Effect.acquireRelease(Effect.succeed(key), () => Deferred.await(gate))
      })
      yield* use("a")
      const b = yield* Effect.forkChild(use("b"))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(b)
      assert.strictEqual((yield* pool.stats).resident, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* use("c")
      assert.deepStrictEqual(yield* pool.keys, ["c"])
    })
  )
})

describe("SessionPool idle resources", () => {
  it.effect("close in the background after idleTimeToLive, which a use and a touch restart", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged({ capacity: 3, idleTimeToLive: "1 minute" })
      yield* use("a")
      yield* use("b")
      const { end } = yield* hold(pool, "c")
      yield* TestClock.adjust("40 seconds")
      assert.isTrue(yield* pool.touch("a"))
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(log.slice(-1), ["-b"])
      yield* TestClock.adjust("39 seconds")
      assert.deepStrictEqual(log.slice(-1), ["-b"])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(log.slice(-2), ["-b", "-a"])
      yield* TestClock.adjust("1 hour")
      yield* end
      assert.deepStrictEqual(yield* pool.keys, ["c"])
      assert.isFalse(yield* pool.touch("a"))
      assert.deepInclude(yield* pool.stats, { idleCloses: 2, resident: 1 })
    })
  )

  it.effect("that were touched are evicted after the others", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged()
      yield* use("a")
      yield* use("b")
      yield* pool.touch("a")
      assert.deepStrictEqual(yield* pool.keys, ["b", "a"])
      yield* use("c")
      assert.deepStrictEqual(log.slice(-3), ["-b", "+c", "c"])
    })
  )
})

describe("SessionPool.invalidate", () => {
  it.effect("closes an idle resource before it returns; the next caller opens a new one", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged()
      yield* use("a")
      yield* pool.invalidate("a")
      assert.deepStrictEqual(log, ["+a", "a", "-a"])
      yield* use("a")
      assert.deepStrictEqual(log, ["+a", "a", "-a", "+a", "a"])
      yield* pool.invalidate("unknown")
    })
  )

  it.effect("lets holders finish, and admits no further caller", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged({ concurrency: 2 })
      const { end } = yield* hold(pool, "a")
      yield* pool.invalidate("a")
      const next = yield* Effect.forkChild(use("a"))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(log, ["+a"])
      yield* end
      yield* Fiber.join(next)
      assert.deepStrictEqual(log, ["+a", "-a", "+a", "a"])
    })
  )

  it.effect("may be called by a holder on its own resource", () =>
    Effect.gen(function* () {
      const { pool, log } = yield* logged()
      yield* pool.use("a", () => pool.invalidate("a"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["+a", "-a"])
    })
  )
})

describe("SessionPool.drain", () => {
  it.effect("waits for holders, rejects waiting callers, closes every resource", () =>
    Effect.gen(function* () {
      const { pool, log, use } = yield* logged()
      yield* use("idle")
      const { end } = yield* hold(pool, "busy")
      const waiting = yield* Effect.forkChild(Effect.exit(use("busy")))
      yield* TestClock.adjust(0)
      const draining = yield* Effect.forkChild(pool.drain())
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(draining.pollUnsafe())
      assert.strictEqual(reasonOf(yield* Fiber.join(waiting)), "Draining")
      assert.strictEqual(reasonOf(yield* Effect.exit(use("late"))), "Draining")
      assert.deepStrictEqual(log, ["+idle", "idle", "+busy", "-idle"])
      yield* end
      yield* Fiber.join(draining)
      assert.deepStrictEqual(log.slice(-1), ["-busy"])
      assert.strictEqual((yield* pool.stats).resident, 0)
      yield* pool.drain()
    })
  )

  it.effect("fails at its limit with the number of open resources, which are closed when their holders leave", () =>
    Effect.gen(function* () {
      const { pool, log } = yield* logged()
      const { end } = yield* hold(pool, "busy")
      const draining = yield* Effect.forkChild(Effect.flip(pool.drain({ timeout: "5 seconds" })))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(draining)
      assert.deepInclude(error.reason, { _tag: "DrainTimeout", resident: 1, limitMillis: 5000 })
      yield* end
      yield* pool.drain()
      assert.deepStrictEqual(log, ["+busy", "-busy"])
    })
  )

  it.effect("is what closing the scope does", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { pool, log, use } = yield* Scope.provide(logged(), scope)
      yield* use("a")
      const { end } = yield* hold(pool, "b")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(log, ["+a", "a", "+b", "-a"])
      yield* end
      yield* Fiber.join(closing)
      assert.deepStrictEqual(log.slice(-1), ["-b"])
    })
  )
})

describe("SessionPool observation", () => {
  it.effect("onEvent receives every event in order", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const onEvent = (event: SessionPool.PoolEvent<string>) =>
        Effect.sync(() => void events.push(Object.values(event).join(" ")))
      const { pool, use } = yield* logged({ capacity: 1, maxWaiting: 0, onEvent })
      yield* use("a")
      yield* use("a")
      const { end } = yield* hold(pool, "b")
      yield* Effect.exit(use("c"))
      yield* end
      yield* pool.invalidate("b")
      assert.deepStrictEqual(events, [
        "Opening a",
        "Opened a",
        "Reused a",
        "Closing a Evicted",
        "Closed a Evicted",
        "Opening b",
        "Opened b",
        "Rejected c",
        "Closing b Invalidated",
        "Closed b Invalidated"
      ])
    })
  )

  it.effect.each<[string, () => Effect.Effect<never>]>([
    ["throws", () => assert.fail("broken listener")],
    ["dies", () => Effect.die("broken listener")],
    ["never ends", () => Effect.never]
  ])("an onEvent that %s does not affect the pool", ([, onEvent]) =>
    Effect.gen(function* () {
      const { log, use } = yield* logged({ capacity: 1, onEvent })
      yield* use("a")
      yield* use("b")
      assert.deepStrictEqual(log, ["+a", "a", "-a", "+b", "b"])
    })
  )

  it.effect("spans cover opening and waiting, and nothing else", () =>
    Effect.gen(function* () {
      const spans: Array<string> = []
      const tracer = Tracer.make({
        span: (options) => {
          spans.push(options.name)
          return new Tracer.NativeSpan(options)
        }
      })
      yield* Effect.gen(function* () {
        const { use } = yield* logged()
        yield* use("a")
        assert.sameMembers(spans.splice(0), ["SessionPool.open"])
        yield* use("a")
        assert.deepStrictEqual(spans, [])
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
      yield* Effect.gen(function* () {
        const { pool, use } = yield* logged()
        const { end } = yield* hold(pool, "a")
        spans.splice(0)
        const waiting = yield* Effect.forkChild(use("a"))
        yield* TestClock.adjust(0)
        yield* end
        yield* Fiber.join(waiting)
        assert.deepStrictEqual(spans, ["SessionPool.wait"])
      }).pipe(Effect.provideService(Tracer.Tracer, tracer))
    })
  )

  it.effect("metrics are the stats at the time of the export, and are removed with the pool", () =>
    Effect.gen(function* () {
      const values = Effect.map(Metric.snapshot, (metrics) =>
        Object.fromEntries(
          metrics.map(({ id, attributes, state }) => [
            `${id}{${attributes?.["pool"]}}`,
            "count" in state ? Number(state.count) : "value" in state ? Number(state.value) : undefined
          ])
        )
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { use, pool } = yield* logged({ name: "sessions", capacity: 1 })
          yield* use("a")
          yield* use("a")
          const { end } = yield* hold(pool, "b")
          assert.deepStrictEqual(yield* values, {
            "session_pool_resident{sessions}": 1,
            "session_pool_in_use{sessions}": 1,
            "session_pool_waiting{sessions}": 0,
            "session_pool_opens_total{sessions}": 2,
            "session_pool_hits_total{sessions}": 1,
            "session_pool_evictions_total{sessions}": 1,
            "session_pool_idle_closes_total{sessions}": 0,
            "session_pool_failures_total{sessions}": 0
          })
          yield* end
        })
      )
      assert.deepStrictEqual(yield* values, {})
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("make dies with InvalidOption, which names the option out of range", () =>
    Effect.gen(function* () {
      const messages = yield* Effect.forEach(
        [
          { capacity: 0 },
          { capacity: 2.5 },
          { capacity: 1, concurrency: Number.NaN },
          { capacity: 1, maxWaiting: -1 },
          { capacity: 1, idleTimeToLive: 0 }
        ],
        (options) =>
          Effect.map(Effect.exit(SessionPool.make({ ...options, open: Effect.succeed })), (exit) =>
            Exit.isFailure(exit) ? Cause.prettyErrors(exit.cause)[0]?.message : undefined
          )
      )
      assert.deepStrictEqual(messages, [
        "Option capacity must be an integer, at least 1, but was 0.",
        "Option capacity must be an integer, at least 1, but was 2.5.",
        "Option concurrency must be an integer or Infinity, at least 1, but was NaN.",
        "Option maxWaiting must be an integer or Infinity, at least 0, but was -1.",
        "Option idleTimeToLive (in milliseconds) must be an integer or Infinity, at least 1, but was 0."
      ])
    })
  )
})

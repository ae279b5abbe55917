import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Metric, PubSub, Schedule, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { SwrCache } from "../src/index.ts"

/** A lookup that takes a second of the test's clock, and ends with the `result` at its begin. */
const source = () => {
  const state = { result: Effect.succeed(1) as Effect.Effect<number, string>, lookups: 0, active: 0, mostActive: 0 }
  const lookup = Effect.suspend(() => {
    state.lookups += 1
    state.mostActive = Math.max(state.mostActive, ++state.active)
    return state.result.pipe(Effect.delay("1 second"), Effect.ensuring(Effect.sync(() => void state.active--)))
  })
  return { lookup, state }
}

const afterASecond = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    return yield* yield* Fiber.join(fiber)
  })

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum }))

const hits = (cache: string) =>
  Metric.value(Metric.withAttributes(Metric.counter("swr_cache_hits_total", { incremental: true }), { cache }))

describe("SwrCache", () => {
  it("has the value, error and services of its lookup", () => {
    const lookup = Effect.fail("down" as const) as Effect.Effect<{ readonly usd: number }, "down", Scope.Scope>
    const made = SwrCache.make({ lookup })
    type Cache = Effect.Success<typeof made>
    expectTypeOf<Cache["get"]>().toEqualTypeOf<Effect.Effect<{ readonly usd: number }, "down">>()
    expectTypeOf<Effect.Services<typeof made>>().toEqualTypeOf<Scope.Scope>()
  })

  it.effect("fails with the error of the lookup while there is no value", () =>
    Effect.gen(function* () {
      const { lookup, state } = source()
      state.result = Effect.fail("down")
      const cache = yield* SwrCache.make({ lookup, retry: Schedule.spaced("10 seconds") })
      assert.strictEqual(yield* Effect.flip(afterASecond(cache.get)), "down")
      assert.strictEqual(yield* Effect.flip(afterASecond(cache.getFresh)), "down")
      assert.strictEqual(state.lookups, 2)
    })
  )

  it.effect("serves the old value when the lookup after an invalidation dies, and retries", () =>
    Effect.gen(function* () {
      const { lookup, state } = source()
      const cache = yield* SwrCache.make({ lookup, retry: Schedule.spaced("10 seconds") })
      yield* afterASecond(cache.get)
      state.result = Effect.die("a mistake")
      yield* cache.invalidate
      assert.strictEqual(yield* afterASecond(cache.get), 1)
      state.result = Effect.succeed(2)
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* cache.get, 2)
      assert.deepInclude(yield* cache.stats, { fetches: 3, failures: 1, misses: 2, hits: 1 })
    })
  )

  it.effect("starts with an initial value, which is fresh for the rest of its time", () =>
    Effect.gen(function* () {
      const { lookup, state } = source()
      yield* TestClock.adjust("10 seconds")
      const initial = { value: 0, fetchedAt: 4000 }
      const cache = yield* SwrCache.make({ lookup, freshFor: "10 seconds", initial })
      const values = yield* cache.subscribe
      assert.strictEqual(yield* cache.getFresh, 0)
      yield* TestClock.adjust("3999 millis")
      assert.strictEqual(yield* cache.getFresh, 0)
      assert.strictEqual(state.lookups, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* cache.get, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* cache.get, 1)
      assert.deepStrictEqual(yield* PubSub.takeAll(values), [0, 1])
    })
  )

  it.effect("a subscriber that comes later receives the current value first", () =>
    Effect.gen(function* () {
      const { lookup } = source()
      const cache = yield* SwrCache.make({ lookup })
      yield* afterASecond(cache.get)
      assert.strictEqual(yield* PubSub.take(yield* cache.subscribe), 1)
    })
  )

  it.effect("publishes only values that differ by `equals`, and passes every kept value to onFetched", () =>
    Effect.gen(function* () {
      const { lookup, state } = source()
      const fetched: Array<readonly [number, number]> = []
      const onFetched = (value: number, fetchedAt: number) => Effect.sync(() => void fetched.push([value, fetchedAt]))
      const cache = yield* SwrCache.make({ lookup, onFetched, equals: (a, b) => a % 10 === b % 10 })
      const values = yield* cache.subscribe
      for (const next of [1, 11, 2]) {
        state.result = Effect.succeed(next)
        yield* afterASecond(cache.refresh)
      }
      assert.deepStrictEqual(yield* PubSub.takeAll(values), [1, 2])
      assert.deepStrictEqual(fetched, [
        [1, 1000],
        [11, 2000],
        [2, 3000]
      ])
    })
  )

  it.effect("counts per cache in metrics and stats", () =>
    Effect.gen(function* () {
      const { lookup } = source()
      const cache = yield* SwrCache.make({ lookup, name: "rates" })
      yield* afterASecond(cache.get)
      yield* cache.get
      assert.strictEqual((yield* hits("rates")).count, 1)
      assert.strictEqual((yield* hits("other")).count, 0)
      assert.deepStrictEqual(yield* cache.stats, { fetches: 1, failures: 0, hits: 1, staleHits: 0, misses: 1 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("a lookup of an earlier generation is not passed to onFetched once a later one has a value", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<number>()
      let lookups = 0
      const fetched: Array<number> = []
      const cache = yield* SwrCache.make({
        lookup: Effect.suspend(() => (++lookups === 1 ? Deferred.await(gate) : Effect.succeed(2))),
        onFetched: (value) => Effect.sync(() => void fetched.push(value))
      })
      const early = yield* Effect.forkChild(cache.get, { startImmediately: true })
      yield* cache.invalidate
      assert.strictEqual(yield* cache.get, 2)
      yield* Deferred.succeed(gate, 1)
      assert.strictEqual(yield* Fiber.join(early), 1)
      assert.strictEqual(yield* cache.get, 2)
      assert.deepStrictEqual(fetched, [2])
    })
  )

  const Step = Schema.TaggedUnion({
    Get: { callers: upTo(5) },
    GetFresh: {},
    Pass: { seconds: upTo(400) },
    Invalidate: {},
    Refresh: {},
    Break: {},
    Repair: {}
  })

  it.effect.prop(
    "one lookup per generation runs at a time, get never fails once there was a value, and values never go back",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function* () {
        const { lookup, state } = source()
        const cache = yield* SwrCache.make({ lookup })
        let newest = 1
        let generations = 1
        yield* afterASecond(cache.get)
        const values: Array<number> = []
        const callers: Array<Fiber.Fiber<number, unknown>> = []
        const get = Effect.map(cache.get, (value) => values.push(value))
        const set = (result: Effect.Effect<number, string>) => Effect.sync(() => void (state.result = result))
        const play = Step.match({
          Get: (step) =>
            Effect.forkChild(get).pipe(
              Effect.map((fiber) => callers.push(fiber)),
              Effect.repeat({ times: step.callers - 1 })
            ),
          GetFresh: () => Effect.forkChild(Effect.exit(cache.getFresh)),
          Pass: (step) => TestClock.adjust(step.seconds * 1000),
          Refresh: () => Effect.forkChild(Effect.exit(cache.refresh)),
          Invalidate: () => {
            generations += 1
            return cache.invalidate
          },
          Break: () => set(Effect.fail("down")),
          Repair: () => set(Effect.sync(() => ++newest))
        })
        yield* Effect.forEach(steps, (step) => Effect.asVoid<unknown, never, never>(play(step)))
        yield* TestClock.adjust("1 minute")
        const exits = yield* Effect.forEach(callers, (caller) => Fiber.await(caller))
        assert.isTrue(exits.every(Exit.isSuccess))
        assert.isAtMost(state.mostActive, generations)
        assert.deepStrictEqual(
          values,
          values.toSorted((a, b) => a - b)
        )
        const stats = yield* cache.stats
        assert.strictEqual(stats.hits + stats.staleHits + stats.misses, callers.length + 1)
        assert.strictEqual(stats.fetches, state.lookups)
      }).pipe(Effect.scoped)
  )
})

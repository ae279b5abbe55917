import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Metric, Schedule, Schema, Stream } from "effect"
import { TestClock } from "effect/testing"
import { type ModelCache, ModelCacheReason } from "../src/index.ts"
import { ScriptedSource, version } from "./support/source.ts"

type Cache = ModelCache["Service"]

const many = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.forEach(Array.from({ length: 90 }), () => effect, { concurrency: "unbounded" })

/** The default model's id, which contains the version of the served list. */
const served = (cache: Cache) => Effect.map(cache.get, (snapshot) => snapshot.default)

/** Fills an empty cache with version 1. */
const warm = Effect.fnUntraced(function* (cache: Cache) {
  const filling = yield* Effect.forkChild(cache.get)
  yield* TestClock.adjust("1 second")
  return yield* Fiber.join(filling)
})

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 1, maximum }))

const retryEvery10 = { retry: Schedule.spaced("10 seconds") }

describe("get", () => {
  it.effect("90 callers of an empty cache share one fetch", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      const callers = yield* Effect.forkChild(many(cache.get))
      yield* TestClock.adjust("1 second")
      const snapshots = yield* Fiber.join(callers)
      assert.strictEqual(source.fetches, 1)
      assert.strictEqual(new Set(snapshots).size, 1)
      assert.deepStrictEqual(yield* cache.stats, {
        fetches: 1,
        failures: 0,
        hits: 0,
        staleHits: 0,
        misses: 90
      })
    })
  )

  it.effect("interrupting callers, the first and even all of them, never cancels the fetch", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      const first = yield* Effect.forkChild(cache.get)
      yield* TestClock.adjust("100 millis")
      const second = yield* Effect.forkChild(cache.get)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("900 millis")
      assert.strictEqual((yield* Fiber.join(second)).default, "p/m/1")

      yield* cache.invalidate
      const alone = yield* Effect.forkChild(cache.get)
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(alone)
      yield* TestClock.adjust("900 millis")
      yield* cache.get
      assert.strictEqual(source.fetches, 2)
    })
  )

  it.effect("serves for five minutes without a fetch, then the old list at once while one fetch runs", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      yield* warm(cache)
      source.answer = Effect.succeed(version(2))
      yield* TestClock.adjust("299999 millis")
      assert.strictEqual(yield* served(cache), "p/m/1")
      assert.strictEqual(source.fetches, 1)

      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([...new Set(yield* many(served(cache)))], ["p/m/1"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* served(cache), "p/m/2")
      assert.strictEqual(source.fetches, 2)
      assert.deepInclude(yield* cache.stats, { hits: 2, staleHits: 90, misses: 1 })
    })
  )

  it.effect("an empty cache fails with the cause, then recovers without callers", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      source.answer = Effect.fail("connection refused")
      const cache = yield* source.cache(retryEvery10)
      const callers = yield* Effect.forkChild(many(Effect.flip(cache.get)))
      yield* TestClock.adjust("1 second")
      const [error] = yield* Fiber.join(callers)
      assert.instanceOf(error?.reason, ModelCacheReason.FetchFailed)
      assert.include(error?.message, "connection refused")
      assert.strictEqual(source.fetches, 1)

      source.answer = Effect.succeed(version(2))
      yield* TestClock.adjust("11 seconds")
      assert.strictEqual(yield* served(cache), "p/m/2")
      assert.strictEqual(source.fetches, 2)
    })
  )

  it.effect("a failing fetch removes nothing, and is retried with backoff however many callers there are", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache(retryEvery10)
      yield* warm(cache)
      source.answer = Effect.fail("down")
      yield* TestClock.adjust("5 minutes")
      for (let tenth = 0; tenth < 320; tenth++) {
        assert.strictEqual(yield* served(cache), "p/m/1")
        yield* TestClock.adjust("100 millis")
      }
      // Each try takes 1 s and is followed by a pause of 10 s: at 0, 11 and 22 s of the 32.
      assert.strictEqual(source.fetches, 1 + 3)
      source.answer = Effect.succeed(version(2))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* served(cache), "p/m/2")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(source.fetches, 1 + 4)
    })
  )

  it.effect("by default the pauses between retries grow from a second to a minute", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      source.answer = Effect.fail("down")
      yield* Effect.forkChild(Effect.exit((yield* source.cache()).get))
      yield* TestClock.adjust("10 seconds")
      const early = source.fetches
      assert.isAtLeast(early, 3)
      assert.isAtMost(early, 5)
      yield* TestClock.adjust("1 hour")
      assert.isAtLeast(source.fetches, 45)
      assert.isAtMost(source.fetches, 85)
    })
  )

  it.effect("a fetch that never ends is interrupted after 30 seconds", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      source.answer = Effect.never
      const cache = yield* source.cache(retryEvery10)
      const caller = yield* Effect.forkChild(Effect.flip(cache.get))
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(caller)
      assert.deepStrictEqual(error.reason, new ModelCacheReason.FetchTimedOut({ limitMillis: 30_000 }))
      assert.strictEqual(source.active, 0)
    })
  )

  it.effect("a fetch that dies counts as one that fails", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      source.answer = Effect.die(new TypeError("a mistake"))
      const cache = yield* source.cache()
      const caller = yield* Effect.forkChild(Effect.flip(cache.get))
      yield* TestClock.adjust("1 second")
      assert.include((yield* Fiber.join(caller)).message, "a mistake")
    })
  )

  it.effect("a fetch that returns no catalogue fails, and the message has the path of the wrong field", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const wrong: object = { models: [{ id: "p/m" }], default: null }
      source.answer = Effect.sync(() => Object.assign(version(1), wrong))
      const cache = yield* source.cache()
      const caller = yield* Effect.forkChild(Effect.flip(cache.get))
      yield* TestClock.adjust("1 second")
      assert.include((yield* Fiber.join(caller)).message, "models[0].providerID must be a string")
      assert.deepInclude(yield* cache.stats, { failures: 1 })
    })
  )

  it.effect("when the cache closes, waiting callers are interrupted and no fetch begins", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      source.answer = Effect.fail("down")
      const caller = yield* Effect.scoped(
        Effect.gen(function* () {
          const cache = yield* source.cache()
          const waiting = yield* Effect.forkDetach(cache.get)
          yield* TestClock.adjust("500 millis")
          return waiting
        })
      )
      const exit = yield* Fiber.await(caller)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(source.fetches, 1)
      assert.strictEqual(source.active, 0)
    })
  )
})

describe("invalidate", () => {
  it.effect("makes the next callers wait for one fetch that began after it", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      yield* warm(cache)
      const early = yield* Effect.forkChild(cache.refresh)
      yield* TestClock.adjust("500 millis")
      source.answer = Effect.succeed(version(2))
      yield* cache.invalidate
      const late = yield* Effect.forkChild(many(served(cache)))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* Fiber.join(early)).default, "p/m/1")
      assert.isUndefined(late.pollUnsafe())
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual([...new Set(yield* Fiber.join(late))], ["p/m/2"])
      assert.strictEqual(source.fetches, 3)
    })
  )

  it.effect("a fetch that began before it does not count as fresh", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      const early = yield* Effect.forkChild(served(cache))
      yield* TestClock.adjust("500 millis")
      yield* cache.invalidate
      source.answer = Effect.succeed(version(2))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(early), "p/m/1")
      const late = yield* Effect.forkChild(served(cache))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(late), "p/m/2")
    })
  )

  it.effect("an older fetch that ends later does not replace the newer list", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      source.answer = Effect.delay(Effect.succeed(version(1)), "9 seconds")
      const slow = yield* Effect.forkChild(served(cache))
      yield* TestClock.adjust("1 second")
      yield* cache.invalidate
      source.answer = Effect.succeed(version(2))
      const quick = yield* Effect.forkChild(served(cache))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(quick), "p/m/2")
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* Fiber.join(slow), "p/m/1")
      assert.strictEqual(yield* served(cache), "p/m/2")
      assert.strictEqual(source.fetches, 2)
    })
  )

  it.effect("while fetches fail the old list is served after one attempt, then at once", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache(retryEvery10)
      yield* warm(cache)
      source.answer = Effect.fail("down")
      yield* cache.invalidate
      const caller = yield* Effect.forkChild(served(cache))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(caller), "p/m/1")
      assert.strictEqual(yield* served(cache), "p/m/1")
      assert.strictEqual(source.fetches, 2)
    })
  )
})

describe("a closed cache", () => {
  it.effect("ends subscriptions", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const following = yield* Effect.scoped(
        Effect.gen(function* () {
          const cache = yield* source.cache()
          const changes = Stream.unwrap(Effect.map(cache.subscribe, Stream.fromSubscription))
          const fiber = yield* Effect.forkDetach(Stream.runCollect(changes), { startImmediately: true })
          yield* warm(cache)
          return fiber
        })
      )
      assert.deepStrictEqual(
        (yield* Fiber.join(following)).map((snapshot) => snapshot.default),
        ["p/m/1"]
      )
    })
  )
})

describe("refresh", () => {
  it.effect("fetches even a fresh list, once for all callers, and reports a failure", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache(retryEvery10)
      yield* warm(cache)
      source.answer = Effect.succeed(version(2))
      const callers = yield* Effect.forkChild(many(cache.refresh))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(callers)
      assert.strictEqual(source.fetches, 2)
      source.answer = Effect.fail("down")
      const failing = yield* Effect.forkChild(Effect.flip(cache.refresh))
      yield* TestClock.adjust("1 second")
      assert.instanceOf((yield* Fiber.join(failing)).reason, ModelCacheReason.FetchFailed)
      assert.strictEqual(yield* served(cache), "p/m/2")
    })
  )
})

describe("subscribe", () => {
  it.effect("receives the current list, then only lists with another hash", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      yield* warm(cache)
      const seen: Array<string | null> = []
      yield* Stream.unwrap(Effect.map(cache.subscribe, Stream.fromSubscription)).pipe(
        Stream.runForEach((snapshot) => Effect.sync(() => seen.push(snapshot.default))),
        Effect.forkScoped
      )
      for (const next of [version(1), version(2), { ...version(2) }, version(1)]) {
        source.answer = Effect.succeed(next)
        yield* Effect.forkChild(cache.refresh)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(seen, ["p/m/1", "p/m/2", "p/m/1"])
      assert.strictEqual(source.fetches, 5)
    })
  )
})

describe("resolve", () => {
  it.effect("never reports a model as unknown according to an old list", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const cache = yield* source.cache()
      yield* warm(cache)
      assert.strictEqual((yield* cache.resolve()).id, "p/m/1")
      const early = yield* Effect.flip(cache.resolve("p/m/2"))
      assert.deepStrictEqual(
        error(early),
        new ModelCacheReason.UnknownModel({ id: "p/m/2", suggestions: ["p/m/1"], known: 1 })
      )
      assert.strictEqual(source.fetches, 1)

      source.answer = Effect.succeed(version(2))
      yield* TestClock.adjust("5 minutes")
      const late = yield* Effect.forkChild(cache.resolve("p/m/2"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(late)).modelID, "m/2")
      assert.strictEqual(source.fetches, 2)
    })
  )
})

const error = (failure: { readonly reason: unknown }) => failure.reason

describe("ModelCache", () => {
  it.effect("counts in metrics as well", () =>
    Effect.gen(function* () {
      const source = new ScriptedSource()
      const hits = Metric.withAttributes(Metric.counter("swr_cache_hits_total", { incremental: true }), {
        cache: "models"
      })
      const before = (yield* Metric.value(hits)).count
      const cache = yield* source.cache()
      yield* warm(cache)
      yield* many(cache.get)
      assert.strictEqual((yield* Metric.value(hits)).count, before + 90)
    })
  )

  const Step = Schema.TaggedUnion({
    Ask: { callers: upTo(5) },
    Pass: { seconds: upTo(400) },
    Invalidate: {},
    Refresh: {},
    Break: {},
    Mend: {}
  })

  it.effect.prop(
    "one fetch per generation runs at a time, no caller fails once there was a list, and no older list follows a newer one",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function* () {
        const source = new ScriptedSource()
        const cache = yield* source.cache()
        let newest = 1
        let generations = 1
        yield* warm(cache)
        const versions: Array<number> = []
        const callers: Array<Fiber.Fiber<number, unknown>> = []
        const ask = Effect.map(cache.get, (snapshot) => versions.push(Number(snapshot.default?.split("/").at(-1))))
        const answerWith = (answer: ScriptedSource["answer"]) =>
          Effect.sync(() => {
            source.answer = answer
          })
        const play = Step.match({
          Ask: (step) =>
            Effect.forkChild(ask).pipe(
              Effect.map((fiber) => callers.push(fiber)),
              Effect.repeat({ times: step.callers - 1 })
            ),
          Pass: (step) => TestClock.adjust(step.seconds * 1000),
          Refresh: () => Effect.forkChild(Effect.exit(cache.refresh)),
          Invalidate: () => {
            generations += 1
            return cache.invalidate
          },
          Break: () => answerWith(Effect.fail("down")),
          Mend: () => answerWith(Effect.sync(() => version(++newest)))
        })
        yield* Effect.forEach(steps, (step) => Effect.asVoid<unknown, never, never>(play(step)))
        yield* TestClock.adjust("1 minute")
        const exits = yield* Effect.forEach(callers, (caller) => Fiber.await(caller))
        assert.isTrue(exits.every(Exit.isSuccess))
        assert.isAtMost(source.mostActive, generations)
        assert.deepStrictEqual(
          versions,
          versions.toSorted((a, b) => a - b)
        )
        const stats = yield* cache.stats
        assert.strictEqual(stats.hits + stats.staleHits + stats.misses, callers.length + 1)
        assert.strictEqual(stats.fetches, source.fetches)
      }).pipe(Effect.scoped)
  )
})

import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Random, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { SessionPool } from "../src/index.ts"

/** The actions of a caller, in milliseconds of the test's clock. */
interface Plan {
  readonly number: number
  readonly key: string
  readonly arrives: number
  readonly holds: number
  readonly fails: boolean
  /** When it is interrupted; `Infinity` if never. */
  readonly interrupted: number
}

const between = (min: number, max: number) => Random.nextIntBetween(min, max)

const plan = (number: number, keys: number) =>
  Effect.gen(function* () {
    const arrives = yield* between(0, 3000)
    const patient = (yield* between(0, 3)) > 0
    return {
      number,
      key: `k${yield* between(0, keys - 1)}`,
      arrives,
      holds: yield* between(0, 200),
      fails: (yield* between(0, 9)) === 0,
      interrupted: patient ? Infinity : arrives + (yield* between(0, 400))
    } satisfies Plan
  })

interface Resource {
  closed: boolean
  used: boolean
  users: number
}

/** The resources under test; records every rule that is broken. */
const world = (capacity: number, concurrency: number) => {
  const open = new Map<string, Resource>()
  const count = { opens: 0, failures: 0, closes: 0, uses: 0, firstUses: 0 }
  const broken: Array<string> = []
  const expect = (holds: boolean, rule: string) => void (holds || broken.push(rule))
  return {
    open,
    count,
    broken,
    /** Opening takes 20 ms and fails for one of ten; closing takes 10 ms. */
    make: (key: string) =>
      Effect.gen(function* () {
        const resource = { closed: false, used: false, users: 0 }
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            expect(!open.has(key), `${key} is open twice`)
            open.set(key, resource)
            count.opens++
            expect(open.size <= capacity, "more than the capacity are open")
          }),
          () =>
            Effect.andThen(
              Effect.sync(() => {
                expect(resource.users === 0, `${key} is closed while in use`)
                resource.closed = true
              }),
              Effect.andThen(
                Effect.sleep(10),
                Effect.sync(() => {
                  count.closes++
                  open.delete(key)
                })
              )
            )
        )
        yield* Effect.sleep(20)
        if ((yield* between(0, 9)) === 0) {
          count.failures++
          return yield* Effect.fail("not opened" as const)
        }
        return resource
      }),
    use: (resource: Resource, { holds, fails }: Plan) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          expect(!resource.closed, "used after it was closed")
          count.uses++
          if (!resource.used) count.firstUses++
          resource.used = true
          expect(++resource.users <= concurrency, "more than `concurrency` users")
        }),
        () => Effect.andThen(Effect.sleep(holds), fails ? Effect.fail("not used" as const) : Effect.void),
        () => Effect.sync(() => resource.users--)
      )
  }
}

/** A pool of random size, used by 60 callers: keeps its bound, its order and its counts, and leaks nothing. */
const scenario = (seed: number) =>
  Effect.gen(function* () {
    const capacity = yield* between(1, 4)
    const concurrency = yield* between(1, 2)
    const maxWaiting = yield* between(0, 12)
    const { broken, count, make, open, use } = world(capacity, concurrency)
    const events = new Map<string, number>()
    const countEvent = (event: SessionPool.PoolEvent<string>) => {
      const name = "reason" in event ? `${event._tag} ${event.reason}` : event._tag
      for (const each of new Set([event._tag, name])) events.set(each, (events.get(each) ?? 0) + 1)
    }
    const pool = yield* SessionPool.make({
      capacity,
      concurrency,
      maxWaiting,
      idleTimeToLive: yield* between(50, 500),
      open: make,
      onEvent: (event) => Effect.sync(() => countEvent(event))
    })
    const plans = yield* Effect.forEach(Array.from({ length: 60 }), (_, i) => plan(i, 8))
    plans.sort((a, b) => a.arrives - b.arrives || a.number - b.number)
    const begun = new Map<string, Array<number>>()
    const rejected = { early: 0, draining: 0 }

    const caller = (each: Plan, order: number) =>
      pool
        .use(each.key, (resource) => {
          begun.set(each.key, [...(begun.get(each.key) ?? []), order])
          return use(resource, each)
        })
        .pipe(
          Effect.catchReason("SessionPoolError", "TooManyWaiting", () => Effect.sync(() => rejected.early++)),
          Effect.catchReason("SessionPoolError", "Draining", () => Effect.sync(() => rejected.draining++))
        )

    const running: Array<readonly [Plan, Fiber.Fiber<unknown, unknown>]> = []
    for (let now = 0; now <= 3000; now++) {
      for (const each of plans.filter(({ arrives }) => arrives === now)) {
        running.push([each, yield* Effect.forkChild(caller(each, running.length), { startImmediately: true })])
      }
      for (const [{ interrupted }, fiber] of running) {
        if (interrupted === now) yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      }
      if (now % 97 === 0) yield* Effect.forkChild(pool.invalidate(`k${now % 8}`), { startImmediately: true })
      if (now % 31 === 0) yield* pool.touch(`k${now % 8}`)
      const { waiting, resident, inUse } = yield* pool.stats
      assert.isAtMost(resident, capacity)
      assert.isAtMost(inUse, capacity)
      // A caller that only waits for an eviction does not count.
      assert.isAtMost(waiting, maxWaiting + capacity)
      yield* TestClock.adjust(1)
    }
    const draining = yield* Effect.forkChild(pool.drain(), { startImmediately: true })
    yield* TestClock.adjust(1000)
    yield* Fiber.join(draining)

    for (const [, fiber] of running) assert.isDefined(fiber.pollUnsafe(), "a caller was never answered")
    for (const order of begun.values()) {
      assert.deepStrictEqual(
        order,
        order.toSorted((a, b) => a - b),
        "callers of one key overtook each other"
      )
    }
    assert.deepStrictEqual(broken, [])
    assert.strictEqual(open.size, 0)
    assert.strictEqual(count.closes, count.opens)
    assert.deepStrictEqual(yield* pool.keys, [])
    const stats = yield* pool.stats
    assert.deepInclude(stats, {
      resident: 0,
      inUse: 0,
      waiting: 0,
      opens: count.opens,
      hits: count.uses - count.firstUses,
      failures: count.failures
    })
    const seen = (name: string) => events.get(name) ?? 0
    assert.deepInclude(stats, {
      opens: seen("Opening"),
      hits: seen("Reused"),
      failures: seen("Failed"),
      evictions: seen("Closing Evicted"),
      idleCloses: seen("Closing Idle")
    })
    assert.strictEqual(seen("Rejected"), rejected.early)
    assert.strictEqual(stats.opens, seen("Opened") + seen("Failed") + seen("Closing Abandoned"))
    assert.strictEqual(seen("Closed"), seen("Closing"))
    assert.strictEqual(seen("Closed") + seen("Failed"), stats.opens)
  }).pipe(Random.withSeed(seed), Effect.scoped)

/** Without its bounds an integer would nearly always be one of the hundred smallest. */
const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 }))

/** More than CI has time for: `SESSION_POOL_RUNS=5000 vitest run …`. */
const runs = Number(process.env["SESSION_POOL_RUNS"] ?? 25)

describe("SessionPool under random use, failure, interruption, invalidation, idling and draining", () => {
  it.effect.prop("keeps its guarantees", [Seed], ([seed]) => scenario(seed), {
    arbitrary: { runs },
    timeout: 60_000 + runs * 1000
  })

  it.effect.each([8, 34])("keeps its guarantees where it once did not: seed %i", scenario)

  it.effect.prop(
    "one caller at a time sees exactly the opens and evictions of a least-recently-used list",
    [
      Schema.Array(Schema.Literals(["a", "b", "c", "d", "e"])),
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
    ],
    ([keys, capacity]) =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const note = (line: string) => Effect.sync(() => void seen.push(line))
        const pool = yield* SessionPool.make({
          capacity,
          open: (key: string) => Effect.acquireRelease(note(`+${key}`), () => note(`-${key}`))
        })
        const expected: Array<string> = []
        const recent: Array<string> = []
        for (const key of keys) {
          yield* pool.use(key, () => Effect.void)
          const at = recent.indexOf(key)
          if (at >= 0) recent.splice(at, 1)
          else {
            if (recent.length === capacity) expected.push(`-${recent.shift()}`)
            expected.push(`+${key}`)
          }
          recent.push(key)
        }
        assert.deepStrictEqual(seen, expected)
        assert.deepStrictEqual(yield* pool.keys, recent)
      }).pipe(Effect.scoped)
  )

  it.effect.prop(
    "every caller is served, in order of arrival when all compete for one slot",
    [Schema.Array(Schema.Literals(["a", "b", "c"]))],
    ([keys]) =>
      Effect.gen(function* () {
        const pool = yield* SessionPool.make({ capacity: 1, open: Effect.succeed<string> })
        const served: Array<number> = []
        const use = (key: string, i: number) =>
          pool.use(key, () =>
            Effect.andThen(
              Effect.yieldNow,
              Effect.sync(() => served.push(i))
            )
          )
        const exit = yield* Effect.exit(Effect.forEach(keys, use, { concurrency: "unbounded" }))
        assert.isTrue(Exit.isSuccess(exit))
        assert.deepStrictEqual(
          served,
          keys.map((_, i) => i)
        )
        assert.isTrue(Result.isSuccess(yield* Effect.result(pool.drain({ timeout: "1 second" }))))
      }).pipe(Effect.scoped)
  )
})

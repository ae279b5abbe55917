import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { makeDeadline } from "../src/internal/turn/deadline.ts"

describe("the deadline of a turn", () => {
  it.effect("stands still while the turn waits for a person", () =>
    Effect.gen(function* () {
      const deadline = yield* makeDeadline("1 hour")
      const passed = yield* Effect.forkChild(deadline.passed)
      const hasPassed = Effect.sync(() => passed.pollUnsafe() !== undefined)
      yield* TestClock.adjust("50 minutes")
      deadline.setWaiting(true)
      deadline.setWaiting(true)
      yield* TestClock.adjust("3 hours")
      assert.isFalse(yield* hasPassed)
      deadline.setWaiting(false)
      assert.strictEqual(deadline.at(), 4 * 3_600_000)
      yield* TestClock.adjust("9 minutes")
      assert.isFalse(yield* hasPassed)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(passed)
    })
  )

  it.effect("passes after a wait that began at it", () =>
    Effect.gen(function* () {
      const deadline = yield* makeDeadline("1 minute")
      deadline.setWaiting(true)
      const passed = yield* Effect.forkChild(deadline.passed)
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(passed.pollUnsafe())
      deadline.setWaiting(false)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(passed)
    })
  )

  it.effect("never passes without a limit", () =>
    Effect.gen(function* () {
      const passed = yield* Effect.forkChild((yield* makeDeadline(undefined)).passed)
      yield* TestClock.adjust("1000 days")
      assert.isUndefined(passed.pollUnsafe())
    })
  )
})

import { inspect } from "node:util"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Cause, Data, Effect } from "effect"
import { isSessionPoolError, SessionPoolError, SessionPoolReason } from "../src/index.ts"

const tooMany = new SessionPoolError({ reason: new SessionPoolReason.TooManyWaiting({ waiting: 3, capacity: 2 }) })
const text = "3 callers are already waiting for one of 2 slots. Retry later, or raise maxWaiting or capacity."

describe("SessionPoolError", () => {
  it("is an Error with a name, a message and a stack", () => {
    assert.instanceOf(tooMany, Error)
    assert.instanceOf(tooMany, SessionPoolError)
    assert.instanceOf(tooMany.reason, Error)
    assert.strictEqual(String(tooMany), `SessionPoolError: ${text}`)
    assert.match(tooMany.stack ?? "", /SessionPoolError.test/)
    assert.include(inspect(tooMany), text)
    assert.include(Cause.pretty(Cause.fail(tooMany)), text)
  })

  it("is written as JSON with its tag, its message, its reason and the reason's fields", () => {
    assert.deepStrictEqual(JSON.parse(JSON.stringify(tooMany)), {
      _tag: "SessionPoolError",
      message: text,
      reason: { _tag: "TooManyWaiting", waiting: 3, capacity: 2 }
    })
  })

  it("is recognised by its guard", () => {
    assert.isTrue(isSessionPoolError(tooMany))
    assert.isFalse(isSessionPoolError(tooMany.reason))
    assert.isFalse(isSessionPoolError(new Data.Error({ message: "other" })))
    assert.isFalse(isSessionPoolError(undefined))
  })

  it.effect("is caught by its tag, and by the tag of its reason", () =>
    Effect.gen(function* () {
      const failed = Effect.fail(tooMany)
      const byTag = failed.pipe(Effect.catchTag("SessionPoolError", ({ reason }) => Effect.succeed(reason._tag)))
      assert.strictEqual(yield* byTag, "TooManyWaiting")
      const byReason = failed.pipe(
        Effect.catchReason("SessionPoolError", "TooManyWaiting", ({ waiting }) => Effect.succeed(waiting))
      )
      assert.strictEqual(yield* byReason, 3)
      const byOther = failed.pipe(Effect.catchReason("SessionPoolError", "Draining", () => Effect.succeed(0)))
      assert.strictEqual(yield* Effect.flip(byOther), tooMany)
    })
  )

  it("has a typed reason", () => {
    expectTypeOf<SessionPoolError["reason"]["_tag"]>().toEqualTypeOf<
      "TooManyWaiting" | "Draining" | "DrainTimeout" | "InvalidOption"
    >()
    // @ts-expect-error a reason needs its fields
    assert.isUndefined(new SessionPoolReason.TooManyWaiting({ waiting: 3 }).capacity)
  })

  it("has the cause of its reason", () => {
    const cause = new TypeError("broken")
    const reason = Object.assign(new SessionPoolReason.Draining(), { cause })
    assert.strictEqual(new SessionPoolError({ reason }).cause, cause)
    assert.isUndefined(tooMany.cause)
  })
})

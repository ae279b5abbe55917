import { assert, describe, it } from "@effect/vitest"
import * as async from "../src/async.ts"
import * as effect from "../src/index.ts"

const names = (module: object) => Object.keys(module).toSorted()

describe("exports", () => {
  it("of the Effect entry", () => {
    assert.deepStrictEqual(names(effect), [
      "SessionPool",
      "SessionPoolError",
      "SessionPoolReason",
      "isSessionPoolError"
    ])
    assert.deepStrictEqual(names(effect.SessionPool), ["make"])
    const reasons = ["DrainTimeout", "Draining", "InvalidOption", "TooManyWaiting"]
    assert.deepStrictEqual(names(effect.SessionPoolReason), reasons)
  })

  it("of the async entry", () => {
    const expected = ["SessionPoolError", "SessionPoolReason", "createSessionPool", "isSessionPoolError"]
    assert.deepStrictEqual(names(async), expected)
    assert.strictEqual(async.SessionPoolError, effect.SessionPoolError)
  })
})

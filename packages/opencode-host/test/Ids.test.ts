import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { ascendingId } from "../src/index.ts"

/** Times before today: the ids of a process never go back, so later ones would reach into other tests. */
const Past = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_700_000_000_000 }))

describe("ascendingId", () => {
  it.effect.prop("is ascending whatever the clock does", [Schema.Array(Past)], ([times]) =>
    Effect.gen(function* () {
      const ids: Array<string> = []
      for (const time of times) {
        yield* TestClock.setTime(time)
        ids.push(yield* ascendingId("msg"), yield* ascendingId("msg"))
      }
      assert.deepStrictEqual(ids, ids.toSorted())
      assert.strictEqual(new Set(ids).size, ids.length)
      for (const id of ids) assert.match(id, /^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$/)
    })
  )

  it.effect("carries the time in its first 48 bits, times 4096", () =>
    Effect.gen(function* () {
      const millis = 1_800_000_000_000
      yield* TestClock.setTime(millis)
      const id = yield* ascendingId("prt")
      assert.strictEqual(Number(BigInt.asUintN(36, BigInt(millis))), Number.parseInt(id.slice(4, 13), 16))
    })
  )
})

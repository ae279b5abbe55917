import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ConvexError } from "convex/values"
import { MAX_PART_ROW, MAX_PARTS, MAX_PARTS_TOTAL } from "../convex/limits.ts"
import { splitText, joinParts, mayGoOn, splitParts } from "../convex/payloads.ts"

const Size = Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 9 }))

describe("payloads", () => {
  it.effect.prop(
    "chunks join to the text, are short enough, and do not split characters",
    [Schema.String, Size],
    ([text, size]) =>
      Effect.sync(() => {
        const whole = `${text}😀${text}`.toWellFormed()
        const pieces = splitText(whole, size)
        assert.strictEqual(pieces.join(""), whole)
        for (const piece of pieces) {
          assert.isAtMost(piece.length, size)
          assert.isTrue(piece.isWellFormed())
        }
      })
  )

  it("payloads longer than a row are read completely, together with short ones", () => {
    const parts = [
      { index: 0, kind: "text", payload: "" },
      { index: 1, kind: "file", payload: "a".repeat(2 * MAX_PART_ROW + 1) },
      { index: 2, kind: "text", payload: "b" }
    ]
    const rows = splitParts(parts)
    assert.deepStrictEqual(
      rows.map(({ index, chunk }) => [index, chunk]),
      [
        [0, 0],
        [1, 0],
        [1, 1],
        [1, 2],
        [2, 0]
      ]
    )
    assert.deepStrictEqual(joinParts(rows), parts)
    assert.deepStrictEqual(rows.map(mayGoOn), [false, true, true, false, false])
  })

  it("more than fits into one transaction is rejected, with the numbers", () => {
    const payload = "a".repeat(MAX_PARTS_TOTAL)
    const many = Array.from({ length: MAX_PARTS + 1 }, (_, index) => ({ index, kind: "text", payload: "" }))
    assert.throws(() => splitParts([{ index: 0, kind: "text", payload: `${payload}a` }]), ConvexError, /3000001/)
    assert.throws(() => splitParts(many), ConvexError, /2001/)
  })
})

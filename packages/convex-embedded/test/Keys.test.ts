import { inspect } from "node:util"
import { compareValues, type Value } from "convex/values"
import { assert, describe, it } from "vitest"
import { after, encodeKey, successor } from "../src/internal/values/keys.ts"
import { CREATION_STEP, newId, tableNumberOf } from "../src/internal/values/ids.ts"
import { randomOf } from "./random.ts"

/** Few different leaves, so that equal prefixes are common. */
const LEAVES: ReadonlyArray<Value | undefined> = [
  undefined, null, -(2n ** 63n), -1n, 0n, 1n, 2n ** 63n - 1n, -Infinity, -1.5, -0, 0, Number.MIN_VALUE, 1, 1.5, Infinity, NaN,
  false, true, "", "\0", "\0\0", "\0a", "a", "a\0", "aa", "é", "￿", "😀",
  new ArrayBuffer(0), new Uint8Array([0]).buffer, new Uint8Array([0, 255]).buffer, new Uint8Array([1]).buffer
] // prettier-ignore

const randomValue = (random: () => number, depth: number): Value | undefined => {
  const pick = Math.floor(random() * (LEAVES.length + (depth > 0 ? 12 : 0)))
  if (pick < LEAVES.length) return LEAVES[pick]
  const size = Math.floor(random() * 3)
  const elements = Array.from({ length: size }, () => randomValue(random, depth - 1) ?? null)
  return pick % 2 === 0 ? elements : Object.fromEntries(elements.map((element, i) => ["ab"[i], element]))
}

describe("keys", () => {
  it("sort as their values", () => {
    const random = randomOf(1)
    for (let i = 0; i < 20_000; i++) {
      const [left, right] = [randomValue(random, 2), randomValue(random, 2)]
      const order = Math.sign(Buffer.compare(encodeKey([left]), encodeKey([right])))
      assert.equal(order, Math.sign(compareValues(left, right)), `${inspect(left)} against ${inspect(right)}`)
    }
  })

  it("of several values compare as tuples, and no value is a prefix of another", () => {
    const random = randomOf(2)
    for (let i = 0; i < 20_000; i++) {
      const tuple = () => [randomValue(random, 1), randomValue(random, 1)]
      const [left, right] = [tuple(), tuple()]
      const expected = compareValues(left[0], right[0]) || compareValues(left[1], right[1])
      assert.equal(Math.sign(Buffer.compare(encodeKey(left), encodeKey(right))), Math.sign(expected))
      const start = encodeKey([left[0]])
      const inside = encodeKey(right).compare(start) >= 0 && encodeKey(right).compare(successor(start)) < 0
      assert.equal(inside, compareValues(left[0], right[0]) === 0)
    }
  })

  it("the key after another is its direct successor", () => {
    assert.isTrue(after(Buffer.from([1, 2])).equals(Buffer.from([1, 2, 0])))
    assert.isTrue(successor(Buffer.from([1, 0xff, 0xff])).equals(Buffer.from([2])))
  })
})

describe("ids", () => {
  it("of a table ascend with time and have one length", () => {
    for (const number of [1, 127, 128, 10_001, 16_384]) {
      const ids = Array.from({ length: 50 }, (_, i) => newId(number, Date.now() + i * CREATION_STEP))
      assert.deepEqual(ids, ids.toSorted())
      assert.equal(new Set(ids).size, 50)
      assert.equal(new Set(ids.map((id) => id.length)).size, 1)
    }
  })

  it("identify their table, and other strings are rejected", () => {
    for (const number of [1, 127, 128, 10_001, 2 ** 20]) {
      const id = newId(number, Date.now())
      assert.equal(tableNumberOf(id), number)
      assert.match(id, /^[0-9a-z]{31,37}$/)
      const wrong = id.slice(0, 10) + (id[10] === "0" ? "1" : "0") + id.slice(11)
      assert.isNull(tableNumberOf(wrong))
      assert.isNull(tableNumberOf(id.slice(1)))
    }
    for (const text of ["", "hello", "../../etc/passwd", "0".repeat(200)]) assert.isNull(tableNumberOf(text))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { LazySegmenter } from "../../../src/terminal/output/LazySegmenter.ts"

const full = new Intl.Segmenter(undefined, { granularity: "grapheme" })
const lazy = new LazySegmenter()
const pairs = (parts: Iterable<{ readonly index: number; readonly segment: string }>) =>
  Array.from(parts, ({ index, segment }) => [index, segment])

describe("the segmenter of the bundle", () => {
  it("splits text as Intl.Segmenter does", () => {
    const ascii = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code))
    const texts = ["", "git status\t-s\n", "a\r\nb", "e\u0301", "👩‍👩‍👧 ok", "日本 한국어", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "\u001b[31mred"]
    for (const text of [...texts, ...ascii.flatMap((one) => ascii.map((other) => one + other))]) {
      assert.deepStrictEqual(pairs(lazy.segment(text)), pairs(full.segment(text)), JSON.stringify(text))
    }
  })
})

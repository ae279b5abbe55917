import { assert, describe, it } from "vitest"
import { age } from "../../src/operator/age.ts"
import { jsonText } from "../../src/operator/jsonText.ts"
import { table } from "../../src/operator/table.ts"
import { columnsOf } from "../../src/terminal/input/draftView.ts"
import { plain } from "../../src/terminal/output/Style.ts"

const columns = [
  { name: "ID", value: ({ id }: { id: string; title: string }) => id },
  { name: "TITLE", value: ({ title }: { id: string; title: string }) => title, shrinks: true }
]

describe("table", () => {
  it("fits the width, with wide characters, and keeps whole texts without a width", () => {
    const rows = [
      { id: "a", title: "A long title that does not fit into the terminal" },
      { id: "bcd", title: "漢字の長い題名がここにあります" }
    ]
    const lines = (width: number | null) => table(columns, rows, { style: plain, width }).text.trimEnd().split("\n")
    for (const line of lines(24)) assert.isAtMost(columnsOf(line), 24)
    assert.match(lines(24)[1] ?? "", /^a {4}A long title that…$/)
    assert.deepStrictEqual(lines(null).slice(0, 2), [
      "ID   TITLE",
      "a    A long title that does not fit into the terminal"
    ])
  })

  it("shows control characters, line breaks and bidirectional controls as symbols", () => {
    const rows = [{ id: "a", title: "one\u001b[2J\ntwo\u202e" }]
    const { text } = table(columns, rows, { style: plain, width: null })
    // oxlint-disable-next-line no-control-regex -- their absence is the property
    assert.notMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
    assert.lengthOf(text.trimEnd().split("\n"), 2)
  })
})

describe("age", () => {
  it("is in the largest whole unit", () => {
    const ages = [-5, 0, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000, 9 * 86_400_000]
    assert.deepStrictEqual(ages.map(age), ["0s", "0s", "59s", "1m", "59m", "1h", "1d", "9d"])
  })
})

describe("jsonText", () => {
  it("is one line of ASCII controls and safe characters that parses back", () => {
    const value = { text: "a\u001b[31m\u009b1m\u202eb\n\u2028é漢" }
    const { text } = jsonText(value)
    // oxlint-disable-next-line no-control-regex -- their absence is the property
    assert.notMatch(text, /[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/)
    assert.deepStrictEqual(JSON.parse(text), value)
  })
})

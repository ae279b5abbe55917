import { assert, describe, it } from "@effect/vitest"
import { start, write } from "../../src/terminal/markdown/stream.ts"
import { colored, plain } from "../../src/terminal/output/Style.ts"

const shown = (source: string, width = 40, style = plain) => write({ style, width }, source, start, true).text.text

/** Writes a source in pieces, and returns the text after each. */
const inPieces = (source: string, ends: ReadonlyArray<number>, width = 40): ReadonlyArray<string> => {
  let progress = start
  return [...ends, source.length].map((end, index) => {
    const written = write({ style: plain, width }, source.slice(0, end), progress, index === ends.length)
    progress = written.progress
    return written.text.text
  })
}

const everything = `# Title *one*

A paragraph with **bold**, \`code\`, &lt;entities&gt; and a [link](https://host.example/a).
Its second line.

- one
- two
  1. inner
  2. other

- [x] done
- [ ] open

1. first

   with a second paragraph
2. second

| Name | 日本語 | Count |
| :--- | :---: | ---: |
| a | b | 10 |
| 漢字 | 👩‍👩‍👧 | 2 |

> quoted
> - item

\`\`\`\`md
\`\`\`ts
const inner = 1
\`\`\`
\`\`\`\`

~~~
tilde

~~~

    indented

    code

Setext
======
---
<div>html</div>

The end.
`

describe("Markdown at a terminal", () => {
  it("shows headings, emphasis, links, lists, quotes, code and rules", () => {
    assert.strictEqual(
      shown(
        "# Hi *you*\n\nSee [docs](http://x.y) &amp; <http://a.b>\n\n- a\n  1. b\n- [x] c\n\n> q\n\n```ts\nlet a\n```\n\n---\n"
      ),
      "# Hi you\n\nSee docs (http://x.y) & http://a.b\n\n• a\n  1. b\n• [x] c\n\n▏ q\n\n    let a\n\n────────────────────────────────────────\n"
    )
  })

  it("uses colours for code only in a terminal with colours", () => {
    const source = '```ts\nconst a = "b" // c\n```'
    assert.strictEqual(shown(source), '    const a = "b" // c\n')
    const [red, off] = ["\u001b[35m", "\u001b[39m"]
    assert.include(shown(source, 40, colored), `${red}const${off} a = `)
    assert.strictEqual(shown("```\nconst a\n```", 40, colored), "    const a\n")
    assert.include(
      shown("```diff\n-a\n+b\n```", 40, colored),
      "    \u001b[31m-a\u001b[39m\n    \u001b[32m+b\u001b[39m\n"
    )
  })

  it("wraps at spaces and between wide characters, and leaves a long address whole", () => {
    assert.strictEqual(shown("one two three four", 10), "one two\nthree four\n")
    assert.strictEqual(shown("日本語のテキスト", 10), "日本語のテ\nキスト\n")
    assert.strictEqual(shown("👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", 5), "👩‍👩‍👧👩‍👩‍👧\n👩‍👩‍👧\n")
    const address = `https://host.example/${"x".repeat(40)}`
    assert.strictEqual(shown(`see ${address} now`, 20), `see\n${address}\nnow\n`)
  })

  it("aligns the columns of a table by the width of CJK and emoji", () => {
    const rows = shown("| Name | 日本 |\n|---|--:|\n| 漢字 | 1 |\n| a | 👍🏽 |").split("\n")
    assert.deepStrictEqual(rows, ["Name │ 日本", "─────┼─────", "漢字 │    1", "a    │   👍🏽", ""])
  })

  it("fits a table to the width, and shows one cell per line if that is too narrow", () => {
    const source = "| Key | Value |\n|---|---|\n| a | one two three four five six |\n"
    assert.strictEqual(
      shown(source, 24),
      "Key │ Value\n────┼───────────────────\na   │ one two three four\n    │ five six\n"
    )
    assert.strictEqual(shown(source, 10), "Key: a\nValue: one\ntwo three\nfour five\nsix\n")
  })

  it("writes each block when it is complete, and of lists and code each part", () => {
    const source = "# A\n\nText **bo**\n\n- one\n- two\n\n```\na\nb\n```\n"
    const ends = ["# A\n", "Text **b", "**\n\n", "- on", "- two", "```\na\n", "b\n"].map(
      (end) => source.indexOf(end) + end.length
    )
    assert.deepStrictEqual(inPieces(source, ends), [
      "# A\n",
      "\n",
      "Text bo\n",
      "\n",
      "• one\n",
      "• two\n\n",
      "    a\n",
      "    b\n"
    ])
  })

  it("writes the same text however the source is cut", () => {
    for (const width of [12, 40, 100]) {
      const whole = shown(everything, width)
      for (let step = 1; step < 60; step += 1) {
        const ends = Array.from({ length: Math.ceil(everything.length / step) - 1 }, (_, index) => (index + 1) * step)
        assert.strictEqual(inPieces(everything, ends, width).join(""), whole, `pieces of ${step}, width ${width}`)
      }
    }
  })

  it("shows a source that cannot be parsed, and a block that never ends, as text", () => {
    const nested = `${">".repeat(20_000)} deep`
    assert.include(shown(nested), "deep")
    const endless = "word ".repeat(20_000)
    const [first = ""] = inPieces(endless, [endless.length - 1])
    assert.isAbove(first.length, 64_000)
  })
})

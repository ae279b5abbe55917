/** The rules of the public `/text`. apps/worker passes attacks through everything that writes to a terminal. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { cleanLine, cleanText, splitDecided } from "../src/text.ts"

const cases: ReadonlyArray<readonly [title: string, text: string, shown: string]> = [
  ["keeps line breaks and tabs", "a\r\nb\n\tc", "a\nb\n\tc"],
  ["shows control characters as symbols", "\u001b[2J\u0000\u007f\r", "␛[2J␀␡␍"],
  [
    "shows C1 controls, separators and bidirectional controls by their code",
    "\u009b\u2028\u202e",
    "<U+009B><U+2028><U+202E>"
  ],
  ["shows half a character by its code", "\ud83dx", "<U+D83D>x"],
  ["keeps a joiner between two emoji", "👩🏽\u200d🚀", "👩🏽\u200d🚀"],
  ["shows a joiner between other characters", "a\u200d🚀", "a<U+200D>🚀"],
  ["keeps joiners between letters of scripts that join", "می\u200cخواهم", "می\u200cخواهم"],
  ["shows a non-joiner between Latin letters", "pass\u200cword", "pass<U+200C>word"],
  ["keeps a variation selector after an emoji only", "❤\ufe0fx\ufe0f", "❤\ufe0fx<U+FE0F>"],
  ["keeps an ideographic variation after a Han character only", "葛\u{E0100}a\u{E0100}", "葛\u{E0100}a<U+E0100>"],
  ["keeps one variation of a Mongolian letter, and shows a row of them", "ᠠ\u180b\u180c", "ᠠ\u180b<U+180C>"],
  ["keeps a joiner after a variation of a letter", "ᠠ\u180b\u200dᠠ", "ᠠ\u180b\u200dᠠ"],
  ["shows a joiner between invisible marks", "\u17b4\u200d\u17b4", "<U+17B4><U+200D><U+17B4>"],
  ["keeps a Mongolian variation after a Mongolian letter only", "ᠠ\u180ba\u180b", "ᠠ\u180ba<U+180B>"],
  [
    "keeps the tags of a flag",
    "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
    "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}"
  ],
  ["shows tags without a flag", "a\u{E0041}", "a<U+E0041>"]
]

describe("cleanText", () => {
  it.each(cases)("%s", (_, text, shown) => {
    assert.strictEqual(cleanText(text), shown)
  })

  it("uses the text before, of which the character is a part", () => {
    assert.strictEqual(cleanText("\u200d🚀", "👩"), "\u200d🚀")
    assert.strictEqual(cleanText("\u200d🚀", "a"), "<U+200D>🚀")
  })

  const hostile = Schema.Array(Schema.Literals(cases.flatMap(([, text]) => text.split(""))))

  it.prop("does not change a text that is clean", [hostile], ([units]) => {
    const clean = cleanText(units.join(""))
    assert.strictEqual(cleanText(clean), clean)
  })

  it("waits with a joiner for the character after it, and for the end of a flag", () => {
    assert.deepStrictEqual(splitDecided("a👩\u200d"), ["a👩", "\u200d"])
    assert.deepStrictEqual(splitDecided("a👩\u200d🏴\u{E0067}"), ["a👩", "\u200d🏴\u{E0067}"])
    assert.deepStrictEqual(splitDecided("a👩\u200d🚀"), ["a👩\u200d🚀", ""])
  })

  it.prop("cleans pieces as it cleans the whole", [hostile], ([units]) => {
    let [shown, waiting] = ["", ""]
    for (const unit of units) {
      const [decided, undecided] = splitDecided(waiting + unit)
      shown += cleanText(decided, shown)
      waiting = undecided
    }
    assert.strictEqual(shown + cleanText(waiting, shown), cleanText(units.join("")))
  })
})

describe("cleanLine", () => {
  it("shows line breaks and tabs, so that the text stays on one line", () => {
    assert.strictEqual(cleanLine("a\r\nb\tc"), "a␊b␉c")
  })
})

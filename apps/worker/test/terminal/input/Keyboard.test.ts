/** Terminal input that a person did not type, or typed in another form. */
import { createInterface, emitKeypressEvents } from "node:readline"
import { PassThrough } from "node:stream"
import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { type Input, makeDecoder } from "../../../src/terminal/input/Keyboard.ts"

/** The inputs that the bytes encode, and the text that they insert. */
const decode = async (...chunks: ReadonlyArray<string | Buffer>) => {
  const input = new PassThrough()
  const settings = createInterface({ input: new PassThrough(), escapeCodeTimeout: 1 })
  const inputs: Array<Input> = []
  emitKeypressEvents(input, settings)
  input.on(
    "keypress",
    makeDecoder((one) => inputs.push(one))
  )
  for (const chunk of chunks) {
    input.write(chunk)
    // The stream delivers a chunk before the next turn of the event loop.
    await setImmediate()
  }
  settings.close()
  const inserted = inputs.flatMap((one) => (one._tag === "Insert" ? [one.text] : []))
  return { inserted, others: inputs.filter(({ _tag }) => _tag !== "Insert").map(({ _tag }) => _tag) }
}

const reports = [
  [
    "the mouse moves",
    "\u001b[<35;96;41M\u001b[<35;97;41m",
    "anthropics/claude-code#5196, #72648; anomalyco/opencode#26198"
  ],
  ["a click", "\u001b[<0;45;20M", "anthropics/claude-code#49017"],
  ["the window gets the focus, and loses it", "\u001b[I\u001b[O", "github/copilot-cli#1375"],
  ["the colour of the text", "\u001b]10;rgb:cccc/cccc/cccc\u0007", "anthropics/claude-code#3134"],
  ["the colour behind it", "\u001b]11;rgb:0c0c/0c0c/0c0c\u001b\\", "anthropics/claude-code#8786"],
  ["modes", "\u001b[?2027;0$y\u001b[?1004;2$y", "anomalyco/opencode#8173"],
  ["Shift-Enter of kitty", "\u001b[13;2u", "anthropics/claude-code#1758"],
  ["Shift-Enter of xterm", "\u001b[27;2;13~", "CommandCodeAI/command-code#841"]
] as const

describe("a terminal's own reports are not typed text", () => {
  for (const [what, sequence, source] of reports) {
    it(`${what} (${source})`, async () => {
      assert.deepStrictEqual(await decode("a", sequence, "b"), { inserted: ["a", "b"], others: [] })
    })
  }

  it("keeps text that only begins like a report", async () => {
    assert.deepStrictEqual((await decode("\u001b]", "h", "i")).inserted, ["h", "i"])
    assert.deepStrictEqual((await decode("\u001b]", "4", "2", " ", "x")).inserted.join(""), "42 x")
    assert.deepStrictEqual(await decode("\u001b]", "1", "\r"), { inserted: ["1"], others: ["Enter"] })
    assert.deepStrictEqual((await decode("\u001b]1", "\u0003")).others, ["Interrupt"])
  })
})

const start = "\u001b[200~"
const end = "\u001b[201~"

const pastes = [
  [
    "line breaks of Windows, and tabs",
    [`${start}if x:\r\n\treturn\r${end}`],
    "if x:\n\treturn\n",
    "sudoprivacy/sudocode#560"
  ],
  ["in pieces, also of its own end", [`${start}one\ntw`, "o\u001b[20", "1~"], "one\ntwo", "wilsonglasser/oryxis#30"],
  ["begun twice", [`${start}one${start} two${end}${end}`], "one two", "microsoft/terminal#14838"],
  [
    "coloured output of a program",
    [`${start}\u001b[31mred\u001b[0m${end}`],
    "\u001b[31mred\u001b[0m",
    "anthropics/claude-code#8786"
  ],
  [
    "an end in the middle of a character",
    [start, Buffer.from("日本").subarray(0, 4), Buffer.from("日本").subarray(4), end],
    "日本",
    "a connection over SSH"
  ]
] as const

describe("a paste is one input", () => {
  for (const [what, chunks, expected, source] of pastes) {
    it(`${what} (${source})`, async () => {
      assert.deepStrictEqual(await decode(...chunks), { inserted: [expected], others: [] })
    })
  }

  it("reads Alt-Enter, and the sequences for Shift-Enter, as a line break", async () => {
    // asheshgoplani/agent-deck#184, getkimchi/kimchi#251.
    for (const keys of ["\u001b\r", "\u001b\n"]) {
      assert.deepStrictEqual(await decode("a", keys, "b"), { inserted: ["a", "\n", "b"], others: [] })
    }
  })
})

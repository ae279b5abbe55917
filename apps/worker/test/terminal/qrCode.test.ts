import { assert, describe, it } from "@effect/vitest"
import { stripVTControlCharacters } from "node:util"
import { encode } from "uqr"
import { qrCode } from "../../src/terminal/qrCode.ts"

const link = "https://console.test:4000/#pair=AD98-NB0H-P10V-150G"

describe("a QR code", () => {
  it("has each module of the code, black on white or in the colours of the terminal", () => {
    const { data, size } = encode(link, { border: 2 })
    for (const isColored of [true, false]) {
      const text = qrCode(link, { columns: 80, isColored })?.text ?? ""
      const lines = text.split("\n").map((line) => stripVTControlCharacters(line))
      const isDark = (character: string | undefined, half: string) =>
        character !== undefined && (character === half || character === "█") === isColored
      const read = Array.from({ length: size }, (_row, row) =>
        Array.from({ length: size }, (_column, column) => isDark(lines[row >> 1]?.[column], row % 2 === 0 ? "▀" : "▄"))
      )
      assert.deepStrictEqual(read, data)
      assert.strictEqual(text.includes("\u001b["), isColored)
    }
  })

  it("is left out for an address that no QR code can hold", () => {
    for (const length of [2_900, 2_954, 10_000]) {
      const address = "https://login.test/".padEnd(length, "é").slice(0, length)
      assert.isUndefined(qrCode(address, { columns: 80, isColored: true }))
    }
    assert.isDefined(qrCode("https://login.test/".padEnd(2_953, "a"), { columns: 300, isColored: true }))
  })

  it("is left out if the terminal is too narrow", () => {
    assert.isUndefined(qrCode(link, { columns: 30, isColored: true }))
  })
})

/** A QR code for a terminal, two rows of modules per line. */
import { encode } from "uqr"
import { ScreenText, screen } from "./output/ScreenText.ts"

/** Black on white, so that a camera reads it on any background. */
const onWhite = (line: ScreenText): ScreenText => ScreenText.attribute(30, 39)(ScreenText.attribute(107, 49)(line))

/** Without colours the light modules are drawn, for the usual dark background. */
const blocks = { colored: ["█", "▀", "▄", " "], plain: [" ", "▄", "▀", "█"] } as const

/** A QR code holds no more bytes. A login provider may name a longer address. */
const mostBytes = 2_953

/** Undefined if it is wider than the terminal: a part of it is useless. */
export const qrCode = (
  text: string,
  { columns, isColored }: { readonly columns: number; readonly isColored: boolean }
): ScreenText | undefined => {
  if (Buffer.byteLength(text) > mostBytes) return undefined
  const { data, size } = encode(text, { border: 2 })
  if (size > columns) return undefined
  const [both, upper, lower, none] = blocks[isColored ? "colored" : "plain"]
  const lines = Array.from({ length: Math.ceil(size / 2) }, (_, line) => {
    const row = Array.from({ length: size }, (_cell, column) => {
      const [top, bottom] = [data[2 * line]?.[column] ?? false, data[2 * line + 1]?.[column] ?? false]
      if (top) return bottom ? both : upper
      return bottom ? lower : none
    }).join("")
    return isColored ? onWhite(screen`${row}`) : screen`${row}`
  })
  return ScreenText.join(lines, "\n")
}

/** Tables for the terminal. Pure. Foreign text is cleaned, and a column that may shrink is shortened to fit the width. */
import { columnsOf } from "../terminal/input/draftView.ts"
import { cleanLine } from "@opencode-worker/client/text"
import { ScreenText, screen } from "../terminal/output/ScreenText.ts"
import type { Style } from "../terminal/output/Style.ts"

export interface Column<Row> {
  readonly name: string
  readonly value: (row: Row) => string
  /** May be shortened, down to 12 columns. */
  readonly shrinks?: boolean
}

const gap = 2
const narrowest = 12
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** The start of a text, of at most `width` columns. */
const shorten = (text: string, width: number): string => {
  if (columnsOf(text) <= width) return text
  let start = ""
  for (const { segment } of segmenter.segment(text)) {
    if (columnsOf(start + segment) > width - 1) break
    start += segment
  }
  return `${start.trimEnd()}…`
}

const pad = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - columnsOf(text)))

/** One line per row below the names of the columns. `width`: of the terminal, or null for full texts. */
export const table = <Row>(
  columns: ReadonlyArray<Column<Row>>,
  rows: ReadonlyArray<Row>,
  { style, width }: { readonly style: Style; readonly width: number | null }
): ScreenText => {
  const cells = rows.map((row) => columns.map(({ value }) => cleanLine(value(row))))
  const widths = columns.map(({ name }, at) =>
    cells.reduce((widest, row) => Math.max(widest, columnsOf(row[at] ?? "")), name.length)
  )
  let excess = width === null ? 0 : widths.reduce((sum, one) => sum + one, gap * (columns.length - 1)) - width
  for (const [at, { shrinks = false }] of columns.entries()) {
    const own = widths[at] ?? 0
    const cut = shrinks ? Math.max(0, Math.min(excess, own - narrowest)) : 0
    widths[at] = own - cut
    excess -= cut
  }
  const line = (texts: ReadonlyArray<string>) =>
    texts
      .map((text, at) => pad(shorten(text, widths[at] ?? 0), widths[at] ?? 0))
      .join(" ".repeat(gap))
      .trimEnd()
  const head = style.strong(screen`${line(columns.map(({ name }) => name))}`)
  return ScreenText.join([screen`${head}\n`, ...cells.map((row) => screen`${line(row)}\n`)])
}

/**
 * A draft as it stands at the bottom of the terminal. Pure: a draft and a size in, rows and a cursor out.
 *
 * Rows are broken here and not by the terminal, so that it is known how many there are: a character counts as two columns
 * unless it is certain to take one.
 */
import { cleanText } from "../output/cleanText.ts"
import type { Draft } from "./Draft.ts"

export interface View {
  readonly rows: ReadonlyArray<string>
  readonly cursorRow: number
  readonly cursorColumn: number
  /** Columns of the last row. */
  readonly endColumn: number
}

export interface Size {
  readonly columns: number
  readonly rows: number
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Latin, Greek, Cyrillic, Hebrew and Arabic letters, lines, and signs of one column. */
const narrow = /^[\u0020-\u02FF\u0370-\u06FF\u2010-\u2027\u2400-\u243F\u2500-\u259F]\p{M}*$/u

/** Columns that text takes, at most. */
export const columnsOf = (text: string): number => {
  let columns = 0
  for (const { segment } of segmenter.segment(text)) {
    columns += narrow.test(segment) ? 1 : 2 * Array.from(segment).length
  }
  return columns
}

const tab = "    "

/** All rows of a draft behind `label`; rows that follow are indented as far. */
const rowsOf = ({ cursor, text }: Draft, label: string, columns: number): View => {
  const indent = " ".repeat(Math.min(columnsOf(label), 2))
  const width = Math.max(columns - 1, 10)
  const rows: Array<string> = []
  let row = label
  let used = columnsOf(label)
  let cursorRow = 0
  let cursorColumn = used
  const next = () => {
    rows.push(row)
    row = indent
    used = indent.length
  }
  for (const { index, segment } of segmenter.segment(text)) {
    const shown = segment === "\n" ? "" : segment === "\t" ? tab : cleanText(segment)
    const wide = columnsOf(shown)
    if (used + wide > width) next()
    if (index <= cursor) [cursorRow, cursorColumn] = [rows.length, used]
    row += shown
    used += wide
    if (segment === "\n") next()
  }
  if (cursor >= text.length) [cursorRow, cursorColumn] = [rows.length, used]
  rows.push(row)
  return { rows, cursorRow, cursorColumn, endColumn: used }
}

/** The rows that fit, those around the cursor; the first says how many are above. */
export const viewOf = (draft: Draft, label: string, size: Size): View => {
  const whole = rowsOf(draft, label, size.columns)
  const height = Math.max(3, size.rows - 2)
  if (whole.rows.length <= height) return whole
  const first = Math.min(Math.max(0, whole.cursorRow - height + 2), whole.rows.length - height)
  const rows = whole.rows.slice(first, first + height)
  if (first > 0) rows[0] = `  … ${first} more rows above`
  return { ...whole, rows, cursorRow: whole.cursorRow - first }
}

/** Escape sequences that draw a view from the start of a row, and leave the cursor in its place. */
export const draw = ({ cursorColumn, cursorRow, endColumn, rows }: View): string => {
  const up = rows.length - 1 - cursorRow
  const isAtEnd = up === 0 && cursorColumn === endColumn
  return rows.join("\n") + (isAtEnd ? "" : `${up > 0 ? `\u001b[${up}A` : ""}\r\u001b[${cursorColumn}C`)
}

/** Escape sequences that take a view off the screen, from where `draw` left the cursor. */
export const erase = ({ cursorRow }: View): string => `${cursorRow > 0 ? `\u001b[${cursorRow}A` : ""}\r\u001b[J`

/**
 * The view of a draft at the bottom of the terminal. Pure: maps a draft and a size to rows and a cursor.
 *
 * This module wraps the rows, not the terminal, so that their number is known. A character counts as two columns unless it
 * certainly takes one.
 */
import { cleanLine, cleanText } from "@opencode-worker/client/text"
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

/** Upper bound of the columns of a text. */
export const columnsOf = (text: string): number => {
  let columns = 0
  for (const { segment } of segmenter.segment(text)) {
    columns += narrow.test(segment) ? 1 : 2 * Array.from(segment).length
  }
  return columns
}

const tab = "    "

/** All rows of a draft after `label`. Further rows are indented by its width. */
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

/** The rows around the cursor that fit. The first one shows the number of rows above. */
export const viewOf = (draft: Draft, label: string, size: Size): View => {
  const whole = rowsOf(draft, label, size.columns)
  const height = Math.max(3, size.rows - 2)
  if (whole.rows.length <= height) return whole
  const first = Math.min(Math.max(0, whole.cursorRow - height + 2), whole.rows.length - height)
  const rows = whole.rows.slice(first, first + height)
  if (first > 0) rows[0] = `  … ${first} more rows above`
  return { ...whole, rows, cursorRow: whole.cursorRow - first }
}

/** A view below other rows, each of which takes one row of the terminal. */
export const below = (above: ReadonlyArray<string>, view: View): View => ({
  ...view,
  rows: [...above, ...view.rows],
  cursorRow: above.length + view.cursorRow
})

/** The start of a text on one line, of at most `width` columns. */
export const fitted = (text: string, width: number): string => {
  const line = cleanLine(text)
  if (columnsOf(line) <= width) return line
  let start = ""
  let used = 1
  for (const { segment } of segmenter.segment(line)) {
    used += columnsOf(segment)
    if (used > width) break
    start += segment
  }
  return `${start}…`
}

/** The text that makes one view from another, if that is all that a terminal needs: typed at the end of the last row. */
export const addedTo = (before: View, after: View, { cursor, text }: Draft): string | undefined => {
  const [last = "", now = ""] = [before.rows.at(-1), after.rows.at(-1)]
  const isAppended =
    before.rows.length === after.rows.length &&
    now.startsWith(last) &&
    cursor === text.length &&
    before.cursorRow === before.rows.length - 1 &&
    before.rows.slice(0, -1).every((row, index) => row === after.rows[index])
  return isAppended ? now.slice(last.length) : undefined
}

/** Escape sequences that draw a view from the start of a row, and place the cursor. */
export const draw = ({ cursorColumn, cursorRow, endColumn, rows }: View): string => {
  const up = rows.length - 1 - cursorRow
  const isAtEnd = up === 0 && cursorColumn === endColumn
  return rows.join("\n") + (isAtEnd ? "" : `${up > 0 ? `\u001b[${up}A` : ""}\r\u001b[${cursorColumn}C`)
}

/** Escape sequences that erase a view. They start at the cursor position after `draw`. */
export const erase = ({ cursorRow }: View): string => `${cursorRow > 0 ? `\u001b[${cursorRow}A` : ""}\r\u001b[J`

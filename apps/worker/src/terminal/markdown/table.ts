/** A table of Markdown, fitted to the width. Pure. */
import type { Tokens } from "marked"
import { none, ScreenText, screen } from "../output/ScreenText.ts"
import type { Style } from "../output/Style.ts"
import { type Line, wrap } from "./layout.ts"
import { spansOf } from "./spans.ts"

const separator = " │ "
/** Columns that a cell keeps, if its content has as many. */
const narrowest = 6

/** Takes from the widest column until all fit. */
const fit = (wanted: ReadonlyArray<number>, available: number): ReadonlyArray<number> => {
  const widths = [...wanted]
  let excess = widths.reduce((sum, one) => sum + one, 0) - available
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths))
    if ((widths[widest] ?? 0) <= narrowest) return widths
    widths[widest] = (widths[widest] ?? 0) - 1
    excess--
  }
  return widths
}

/** `isLast`: of its row, so that no spaces follow it. */
const padded = ({ columns, text }: Line, width: number, align: string | null, isLast: boolean): ScreenText => {
  const free = Math.max(0, width - columns)
  const left = align === "right" ? free : align === "center" ? Math.floor(free / 2) : 0
  return screen`${" ".repeat(left)}${text}${" ".repeat(isLast ? 0 : free - left)}`
}

/** One line per cell, for a terminal that is too narrow for the columns. */
const asRecords = ({ header, rows }: Tokens.Table, style: Style, width: number): ReadonlyArray<ScreenText> =>
  rows.flatMap((row, index) => [
    ...(index === 0 ? [] : [none]),
    ...row.flatMap((cell, at) => {
      const name = { text: `${header[at]?.text ?? ""}: `, look: style.strong }
      return wrap([name, ...spansOf(cell.tokens, style)], width).map(({ text }) => text)
    })
  ])

export const table = (token: Tokens.Table, style: Style, width: number): ReadonlyArray<ScreenText> => {
  const all = [token.header, ...token.rows].map((row, index) =>
    row.map(({ tokens }) => spansOf(tokens, style, index === 0 ? style.strong : undefined))
  )
  const wanted = token.header.map((_, at) =>
    all.reduce((widest, row) => Math.max(widest, ...wrap(row[at] ?? [], 10_000).map(({ columns }) => columns)), 1)
  )
  const available = width - separator.length * (wanted.length - 1)
  const limits = fit(wanted, available)
  if (limits.reduce((sum, one) => sum + one, 0) > available) return asRecords(token, style, width)
  const cells = all.map((row) => limits.map((limit, at) => wrap(row[at] ?? [], limit, true)))
  const widths = limits.map((_, at) =>
    cells.reduce((widest, row) => Math.max(widest, ...(row[at] ?? []).map(({ columns }) => columns)), 1)
  )
  const bar = style.faint(screen`${separator}`)
  const [head = [], ...body] = cells.map((row) => {
    const height = Math.max(1, ...row.map((lines) => lines.length))
    return Array.from({ length: height }, (_, line) => {
      const texts = row.map((lines, at) => {
        const cell = lines[line] ?? { text: none, columns: 0 }
        return padded(cell, widths[at] ?? 0, token.align[at] ?? null, at === row.length - 1)
      })
      return ScreenText.join(texts, bar)
    })
  })
  const rule = style.faint(screen`${widths.map((each) => "─".repeat(each)).join("─┼─")}`)
  return [...head, rule, ...body.flat()]
}

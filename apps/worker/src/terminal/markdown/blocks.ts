/** The blocks of Markdown as lines for a terminal. Pure. Every string passes through the cleaner of `screen`. */
import type { Token, Tokens } from "marked"
import { none, ScreenText, screen } from "../output/ScreenText.ts"
import type { Style } from "../output/Style.ts"
import { highlight } from "./highlight.ts"
import { widthOf, wrap } from "./layout.ts"
import { childrenOf, spansOf } from "./spans.ts"
import { table } from "./table.ts"

export interface Page {
  readonly style: Style
  /** Columns of the terminal. */
  readonly width: number
}

type Lines = ReadonlyArray<ScreenText>

/** Nested deeper, the source is shown. */
const deepest = 8
const narrowest = 20
const longestRule = 40

const source = (text: string): Lines =>
  text
    .replace(/\n+$/, "")
    .split("\n")
    .map((line) => screen`${line}`)

const isList = (token: Token): token is Tokens.List => token.type === "list"
const isTable = (token: Token): token is Tokens.Table => token.type === "table"

/** Lines after a marker, the further ones below the first. */
const hanging = (marker: ScreenText, columns: number, lines: Lines): Lines =>
  lines.map((line, index) =>
    index === 0 ? screen`${marker}${line}` : line.isEmpty ? line : screen`${" ".repeat(columns)}${line}`
  )

/** Lines of a code block, indented so that they are not taken for text, and unbroken so that they can be copied. */
export const codeLines = ({ style }: Page, { lang = "", text }: Tokens.Code): Lines =>
  highlight(style, text, lang.split(/\s/)[0] ?? "").map((line) => (line.isEmpty ? line : screen`    ${line}`))

export const itemLines = (page: Page, list: Tokens.List, index: number, depth = 0): Lines => {
  const item = list.items[index]
  if (item === undefined) return []
  const box = item.task ? (item.checked === true ? "[x] " : "[ ] ") : ""
  const marker = `${list.ordered ? `${(list.start === "" ? 1 : list.start) + index}.` : "•"} ${box}`
  const columns = widthOf(marker)
  const inner = { ...page, width: Math.max(narrowest, page.width - columns) }
  const lines = blockLines(inner, item.tokens, depth + 1)
  return hanging(page.style.faint(screen`${marker}`), columns, lines.length === 0 ? [none] : lines)
}

const lines = (page: Page, token: Token, depth: number): Lines => {
  const { style, width } = page
  if (depth > deepest) return source(token.raw)
  if (isList(token)) return token.items.flatMap((_, index) => itemLines(page, token, index, depth))
  if (isTable(token)) return table(token, style, width)
  const inline = (look?: Style["strong"]) =>
    wrap(spansOf(childrenOf(token), style, look), width).map(({ text }) => text)
  switch (token.type) {
    case "heading":
      return hanging(style.faint(screen`${"#".repeat(token["depth"])} `), token["depth"] + 1, inline(style.strong))
    case "paragraph":
      return inline()
    case "text":
      return childrenOf(token).length === 0 ? wrap(spansOf([token], style), width).map(({ text }) => text) : inline()
    case "code":
      return codeLines(page, { ...token, type: "code", raw: token.raw, text: String(token["text"]) })
    case "blockquote": {
      const inner = blockLines({ style, width: Math.max(narrowest, width - 2) }, childrenOf(token), depth + 1)
      const bar = style.faint(screen`▏ `)
      return inner.map((line) => screen`${bar}${line}`)
    }
    case "hr":
      return [style.faint(screen`${"─".repeat(Math.min(width, longestRule))}`)]
    // Drawn by the list.
    case "checkbox":
      return []
    default:
      return source(token.raw).map(style.faint)
  }
}

/** The lines of blocks. Blank lines of the source separate them. */
export const blockLines = (page: Page, tokens: ReadonlyArray<Token>, depth = 0): Lines =>
  tokens.flatMap((token, index) => {
    if (token.type !== "space") return lines(page, token, depth)
    return index === 0 || index === tokens.length - 1 ? [] : [none]
  })

/** The inline tokens of Markdown as spans of text with one look each. Pure. */
import type { Token } from "marked"
import type { Render, Style } from "../output/Style.ts"

export interface Span {
  /** Foreign text, not cleaned yet. */
  readonly text: string
  readonly look: Render
}

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " }

/** marked leaves entities to the browser. */
const decode = (text: string): string =>
  text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,4}));/gi, (found, decimal, hex, name) => {
    if (name !== undefined) return named[String(name).toLowerCase()] ?? found
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : found
  })

/** Nested deeper, the source is shown. */
const deepest = 12

const both =
  (one: Render, other: Render): Render =>
  (text) =>
    one(other(text))

const same: Render = (text) => text

export const childrenOf = (token: Token): ReadonlyArray<Token> => ("tokens" in token ? (token.tokens ?? []) : [])

/** The address follows the text of a link, unless it is the same. */
const link = (style: Style, text: ReadonlyArray<Span>, href: string): ReadonlyArray<Span> => {
  const label = text.map((span) => span.text).join("")
  const shown = text.map((span) => ({ ...span, look: both(style.underlined, span.look) }))
  const isSame = href === label || href === `mailto:${label}` || href === `http://${label}`
  return isSame || href === "" ? shown : [...shown, { text: ` (${href})`, look: style.faint }]
}

export const spansOf = (
  tokens: ReadonlyArray<Token>,
  style: Style,
  look: Render = same,
  depth = 0
): ReadonlyArray<Span> =>
  tokens.flatMap((token): ReadonlyArray<Span> => {
    if (depth > deepest) return [{ text: token.raw, look }]
    const inner = (own: Render) => spansOf(childrenOf(token), style, both(own, look), depth + 1)
    switch (token.type) {
      case "text":
        return childrenOf(token).length === 0 ? [{ text: decode(token.text), look }] : inner(same)
      case "escape":
        return [{ text: token.text, look }]
      case "strong":
        return inner(style.strong)
      case "em":
        return inner(style.emphasis)
      case "del":
        return inner(style.struck)
      case "codespan":
        return [{ text: style.isColored ? token.text : token.raw, look: both(style.name, look) }]
      case "link":
        return link(style, inner(same), token.href)
      case "image":
        return link(style, [{ text: `[image: ${token.text}]`, look }], token.href)
      case "br":
        return [{ text: "\n", look }]
      // Drawn by the list.
      case "checkbox":
        return []
      default:
        return [{ text: token.raw, look }]
    }
  })

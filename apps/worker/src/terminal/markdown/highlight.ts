/** Code in colours, by the tokens of sugar-high. Pure. */
import { parse, type ParsedToken } from "sugar-high/core"
import { lang, languages } from "sugar-high/lang"
import { ScreenText, screen } from "../output/ScreenText.ts"
import type { Render, Style } from "../output/Style.ts"

const same: Render = (text) => text

const lookOf = (style: Style, { type }: ParsedToken): Render => {
  switch (type) {
    case "keyword":
      return style.keyword
    case "string":
      return style.literal
    case "class":
    case "entity":
    case "property":
      return style.name
    case "comment":
    case "jsxliterals":
      return style.faint
    default:
      return same
  }
}

const diffLine = (style: Style, line: string): ScreenText => {
  const text = screen`${line}`
  if (line.startsWith("+")) return style.literal(text)
  if (line.startsWith("-")) return style.alarm(text)
  return line.startsWith("@@") ? style.name(text) : text
}

/** Longer code is shown without colours: a token is found in microseconds, and text arrives several times per second. */
const most = 20_000

/** The lines of a code block. `language`: the word after the fence. */
export const highlight = (style: Style, code: string, language: string): ReadonlyArray<ScreenText> => {
  const plainLines = () => code.split("\n").map((line) => screen`${line}`)
  if (!style.isColored || code.length > most) return plainLines()
  const id = lang(language)
  if (id === "diff") return code.split("\n").map((line) => diffLine(style, line))
  const config = languages.find((each) => each.id === id)?.config
  if (id === undefined || id === "plaintext" || config === undefined) return plainLines()
  return parse(code, config).lines.map(({ tokens, value }) => {
    const pieces = tokens.map((token) => [token, screen`${token.value.replaceAll("\n", "")}`] as const)
    const line = screen`${value.replaceAll("\n", "")}`
    // A token that ends within a character would change it.
    const isWhole = ScreenText.join(pieces.map(([, piece]) => piece)).text === line.text
    return isWhole ? ScreenText.join(pieces.map(([token, piece]) => lookOf(style, token)(piece))) : line
  })
}

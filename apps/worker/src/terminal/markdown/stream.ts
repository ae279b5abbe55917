/**
 * Markdown that arrives in pieces. A block is written when no later text can change it; of a list and of a block of code
 * also each item and line before. Pure.
 *
 * Invariant: the written text depends on the source and the page, not on how the source was cut.
 */
import { Lexer, type Token, type Tokens } from "marked"
import { none, ScreenText, screen } from "../output/ScreenText.ts"
import { blockLines, codeLines, itemLines, type Page } from "./blocks.ts"

export type { Page }

export interface Progress {
  /** Characters of the source before the first block that is not complete. */
  readonly at: number
  /** Items or lines of that block that are written. */
  readonly parts: number
}

export const start: Progress = { at: 0, parts: 0 }

/** Characters of an unfinished block. A longer one is written as it is, so that it is not parsed again at each update. */
const longest = 64_000

/** The blocks of a source. A source that cannot be parsed, such as 10,000 nested quotes, is one block of text. */
const parse = (source: string): ReadonlyArray<Token> => {
  try {
    const tokens = Lexer.lex(source)
    if (tokens.map(({ raw }) => raw).join("") === source) return tokens
  } catch {
    // Nested too deeply.
  }
  return [{ type: "source", raw: source }]
}

const isCode = (token: Token): token is Tokens.Code => token.type === "code"
const isList = (token: Token): token is Tokens.List => token.type === "list"

const endsWithFence = (raw: string): boolean => {
  const [, fence = "```"] = /^ {0,3}(`{3,}|~{3,})/.exec(raw) ?? []
  const last = raw.trimEnd().split("\n").slice(1).at(-1)?.trim() ?? ""
  return raw.endsWith("\n") && last.startsWith(fence) && last.replaceAll(fence[0] ?? "", "") === ""
}

/** Whether no later text belongs to a block. */
const isClosed = (token: Token, next: Token | undefined, afterNext: Token | undefined): boolean => {
  if (next !== undefined && (next.type !== "space" || afterNext !== undefined)) return true
  switch (token.type) {
    case "heading":
    case "hr":
      return next !== undefined || token.raw.endsWith("\n")
    case "paragraph":
    case "table":
      return next !== undefined
    case "code":
      return endsWithFence(token.raw) || (next !== undefined && /^ {0,3}[`~]/.test(token.raw))
    default:
      return false
  }
}

export interface Written {
  readonly progress: Progress
  readonly text: ScreenText
  /** The source that is not written yet. */
  readonly pending: string
}

interface Parts {
  readonly count: number
  readonly lines: (index: number) => ReadonlyArray<ScreenText>
  readonly pending: (from: number) => string
}

/** The parts of a block that are written one by one. */
const partsOf = (page: Page, token: Token): Parts => {
  if (isList(token)) {
    return {
      count: token.items.length,
      lines: (index) => itemLines(page, token, index),
      pending: (from) =>
        token.items
          .slice(from)
          .map(({ raw }) => raw)
          .join("")
    }
  }
  if (isCode(token)) {
    const lines = codeLines(page, token)
    return {
      count: lines.length,
      lines: (index) => lines.slice(index, index + 1),
      pending: (from) => token.text.split("\n").slice(from).join("\n")
    }
  }
  return { count: 1, lines: () => blockLines(page, [token]), pending: () => token.raw }
}

/** Writes as much as is decided. `isLast`: no text follows, so all of it is. */
export const write = (page: Page, source: string, before: Progress, isLast: boolean): Written => {
  const tokens = parse(source.slice(before.at))
  const lines: Array<ScreenText> = []
  let { at, parts } = before
  let pending = ""
  for (const [index, token] of tokens.entries()) {
    const isEnd = index === tokens.length - 1
    if (token.type === "space") {
      // Blank lines separate blocks, so there are none before the first and after the last.
      if (isEnd) break
      if (at > 0) lines.push(none)
      at += token.raw.length
      continue
    }
    const isWhole = isLast || isClosed(token, tokens[index + 1], tokens[index + 2])
    const block = partsOf(page, token)
    const count = isWhole ? block.count : block.count - 1
    for (let part = parts; part < count; part++) lines.push(...block.lines(part))
    parts = Math.max(parts, count)
    if (!isWhole) {
      pending = block.pending(parts)
      break
    }
    at += token.raw.length
    parts = 0
  }
  if (pending.length > longest) return write(page, source, before, true)
  return { progress: { at, parts }, text: ScreenText.join(lines.map((line) => screen`${line}\n`)), pending }
}

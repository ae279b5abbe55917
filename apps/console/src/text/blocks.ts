/**
 * Markdown as blocks, which are parsed once: while text streams in, only its last block is parsed again. Pure.
 */
import { Lexer, type Token } from "marked"

export type MarkdownToken = Token

const options = { gfm: true, breaks: false }

const lex = (text: string): ReadonlyArray<Token> => new Lexer(options).lex(text)

/** The marks that close the emphasis and code of a text that is not complete yet, so that its marks are not shown. */
export const closingMarks = (text: string): string => {
  const count = (mark: string) => text.split(mark).length - 1
  if (count("```") % 2 === 1) return ""
  if (count("`") % 2 === 1) return "`"
  // A mark with nothing after it opens nothing yet.
  return count("**") % 2 === 1 && !/\*\s*$/.test(text) ? "**" : ""
}

/** The blocks of a text that is followed by more text. A block is the same object until it changes. */
export class MarkdownBlocks {
  #text = ""
  /** Blocks before `#from`, which later text does not change. */
  #closed: ReadonlyArray<Token> = []
  #from = 0

  update(text: string, isLive = false): ReadonlyArray<Token> {
    if (!text.startsWith(this.#text)) {
      this.#closed = []
      this.#from = 0
    }
    this.#text = text
    const rest = text.slice(this.#from)
    const last = rest.slice(rest.lastIndexOf("\n\n") + 1)
    const tokens = lex(isLive ? rest + closingMarks(last) : rest)
    // Only a blank line after a block ends it; the last block, and one that touches it, may still change.
    const end = tokens.findLastIndex(({ type }) => type === "space")
    const closing = end === -1 ? [] : tokens.slice(0, end + 1)
    const open = tokens.slice(closing.length)
    // A list continues after blank lines, and a definition applies to all of the text.
    const isFinal = open.length > 0 && closing.every(({ type }) => type !== "list" && type !== "def")
    if (!isFinal) return [...this.#closed, ...tokens]
    this.#closed = [...this.#closed, ...closing]
    this.#from += closing.reduce((sum, { raw }) => sum + raw.length, 0)
    return [...this.#closed, ...open]
  }
}

/** Breaks spans into lines of a width, by the columns that a terminal gives to each character. Pure. */
import { cleanText } from "@opencode-worker/client/text"
import stringWidth from "string-width"
import { ScreenText, screen } from "../output/ScreenText.ts"
import type { Span } from "./spans.ts"

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Columns of a text on one line, as most terminals count them. */
export const widthOf = (text: string): number => stringWidth(cleanText(text))

interface Piece extends Span {
  readonly columns: number
}

/** Pieces that are not separated, and the white space before them. */
interface Word {
  readonly before: "" | " " | "\n"
  readonly isWide: boolean
  readonly pieces: Array<Piece>
  columns: number
}

/** A line may break at white space, and on both sides of a wide character (CJK, emoji). */
const atomsOf = (text: string): ReadonlyArray<{ readonly text: string; readonly kind: "run" | "wide" | "space" }> => {
  const atoms: Array<{ text: string; kind: "run" | "wide" | "space" }> = []
  for (const { segment } of segmenter.segment(text)) {
    const kind = /^\s/u.test(segment) ? "space" : stringWidth(segment) > 1 ? "wide" : "run"
    const last = atoms.at(-1)
    if (kind === "run" && last?.kind === "run") last.text += segment
    else atoms.push({ text: segment, kind })
  }
  return atoms
}

const wordsOf = (spans: ReadonlyArray<Span>): ReadonlyArray<Word> => {
  const words: Array<Word> = []
  const gap: { before: Word["before"] } = { before: "" }
  for (const { look, text } of spans) {
    for (const atom of atomsOf(cleanText(text))) {
      if (atom.kind === "space") {
        gap.before = atom.text === "\n" || gap.before === "\n" ? "\n" : " "
        continue
      }
      const piece = { text: atom.text, look, columns: stringWidth(atom.text) }
      const isWide = atom.kind === "wide"
      const last = words.at(-1)
      if (last !== undefined && gap.before === "" && !isWide && !last.isWide) {
        last.pieces.push(piece)
        last.columns += piece.columns
      } else words.push({ before: gap.before, isWide, pieces: [piece], columns: piece.columns })
      gap.before = ""
    }
  }
  return words
}

/** The pieces of a word that is wider than a line, as words that fit. */
const broken = (word: Word, width: number): ReadonlyArray<Word> => {
  if (word.columns <= width) return [word]
  const parts: Array<Word> = []
  for (const { look, text } of word.pieces) {
    for (const { segment } of segmenter.segment(text)) {
      const columns = stringWidth(segment)
      const last = parts.at(-1)
      const piece = { text: segment, look, columns }
      if (last === undefined || last.columns + columns > width) {
        parts.push({ before: parts.length === 0 ? word.before : "\n", isWide: false, pieces: [piece], columns })
      } else {
        last.pieces.push(piece)
        last.columns += columns
      }
    }
  }
  return parts
}

export interface Line {
  readonly text: ScreenText
  readonly columns: number
}

/**
 * The lines of the spans. A word that is wider than a line is left to the terminal, so that an address can be copied;
 * `isHard`: it is broken.
 */
export const wrap = (spans: ReadonlyArray<Span>, width: number, isHard = false): ReadonlyArray<Line> => {
  const words = wordsOf(spans).flatMap((word) => (isHard ? broken(word, width) : [word]))
  const lines: Array<{ parts: Array<ScreenText>; columns: number }> = [{ parts: [], columns: 0 }]
  for (const { before, columns, pieces } of words) {
    const line = lines.at(-1) ?? { parts: [], columns: 0 }
    const gap = before === " " && line.columns > 0 ? 1 : 0
    const shown = pieces.map(({ look, text }) => look(screen`${text}`))
    if (before === "\n" || (line.columns > 0 && line.columns + gap + columns > width)) {
      lines.push({ parts: shown, columns })
    } else {
      line.parts.push(screen`${" ".repeat(gap)}`, ...shown)
      line.columns += gap + columns
    }
  }
  return lines.map(({ columns, parts }) => ({ text: ScreenText.join(parts), columns }))
}

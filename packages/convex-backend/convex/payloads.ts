/**
 * Payloads longer than a row, cut and joined again. Pure.
 *
 * @since 0.1.0
 */
import { checkCount, checkText, MAX_NAME, MAX_PART_ROW, MAX_PARTS, MAX_PARTS_TOTAL } from "./limits.ts"
import { refusal } from "./errors.ts"

/** A final part of a turn. `payload` is JSON. */
export type Part = { readonly index: number; readonly kind: string; readonly payload: string }

/** A part, or a piece of one. */
export type PartRow = Part & { readonly chunk: number }

const isHighSurrogate = (unit: number): boolean => unit >= 0xd8_00 && unit <= 0xdb_ff

/** Cuts text into pieces of at most `size` code units, never through a character. The pieces join to the text. */
export const cut = (text: string, size: number): Array<string> => {
  const pieces: Array<string> = []
  for (let from = 0; from < text.length;) {
    const end = from + size
    const to = end < text.length && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
    pieces.push(text.slice(from, to))
    from = to
  }
  return pieces.length === 0 ? [""] : pieces
}

/** The rows of a turn's parts. Refuses what could not be written, or read back, in one transaction. */
export const splitParts = (parts: ReadonlyArray<Part>): Array<PartRow> => {
  checkCount("parts", parts.length, MAX_PARTS)
  for (const { kind } of parts) checkText("parts.kind", kind, MAX_NAME)
  const total = parts.reduce((sum, part) => sum + part.payload.length, 0)
  if (total > MAX_PARTS_TOTAL) {
    throw refusal("InvalidArgument", `parts have ${total} characters together; they take at most ${MAX_PARTS_TOTAL}`)
  }
  return parts.flatMap(({ index, kind, payload }) =>
    cut(payload, MAX_PART_ROW).map((piece, chunk) => ({ index, kind, payload: piece, chunk }))
  )
}

/** Whether a row may be one of several of its part: all but the last are as long as a row can be, or end before a character. */
export const mayGoOn = ({ payload }: PartRow): boolean => payload.length >= MAX_PART_ROW - 1

/** The parts of rows that come ordered by index and chunk. */
export const joinParts = (rows: ReadonlyArray<PartRow>): Array<Part> => {
  const payloads = new Map<number, { kind: string; pieces: Array<string> }>()
  for (const { index, kind, payload } of rows) {
    const part = payloads.get(index)
    if (part === undefined) payloads.set(index, { kind, pieces: [payload] })
    else part.pieces.push(payload)
  }
  return Array.from(payloads, ([index, { kind, pieces }]) => ({ index, kind, payload: pieces.join("") }))
}

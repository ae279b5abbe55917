/**
 * Splits payloads that exceed a row, and joins them. Pure functions.
 */
import { checkCount, checkText, MAX_NAME, MAX_PART_ROW, MAX_PARTS, MAX_PARTS_TOTAL } from "./limits.ts"
import { appError } from "./errors.ts"

/** A final part of a turn. `payload` is JSON. */
export type Part = { readonly index: number; readonly kind: string; readonly payload: string }

/** A part, or one chunk of it. */
export type PartRow = Part & { readonly chunk: number }

const isHighSurrogate = (unit: number): boolean => unit >= 0xd8_00 && unit <= 0xdb_ff

/** The first at most `size` code units of a text, never with half a character at the end. */
export const headOf = (text: string, size: number): string =>
  text.slice(0, text.length > size && isHighSurrogate(text.charCodeAt(size - 1)) ? size - 1 : size)

/** Splits text into chunks of at most `size` code units, never inside a character. */
export const splitText = (text: string, size: number): Array<string> => {
  const pieces: Array<string> = []
  for (let from = 0; from < text.length;) {
    const end = from + size
    const to = end < text.length && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
    pieces.push(text.slice(from, to))
    from = to
  }
  return pieces.length === 0 ? [""] : pieces
}

/** The rows of a turn's parts. Rejects parts that cannot be written or read in one transaction. */
export const splitParts = (parts: ReadonlyArray<Part>): Array<PartRow> => {
  checkCount("parts", parts.length, MAX_PARTS)
  for (const { kind } of parts) checkText("parts.kind", kind, MAX_NAME)
  const total = parts.reduce((sum, part) => sum + part.payload.length, 0)
  if (total > MAX_PARTS_TOTAL) {
    throw appError("InvalidArgument", `parts have ${total} characters together; they take at most ${MAX_PARTS_TOTAL}`)
  }
  return parts.flatMap(({ index, kind, payload }) =>
    splitText(payload, MAX_PART_ROW).map((piece, chunk) => ({ index, kind, payload: piece, chunk }))
  )
}

/** Whether its part may continue in the next row: all rows of a part but the last have the full length, up to one character. */
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

/** The text that a person is typing, and how keys change it. Pure. */

export interface Draft {
  readonly text: string
  /** Number of UTF-16 code units before the cursor. Always a boundary of graphemes. */
  readonly cursor: number
}

export const empty: Draft = { text: "", cursor: 0 }

/** A draft with the cursor at its end. */
export const of = (text: string): Draft => ({ text, cursor: text.length })

export type Edit =
  | { readonly _tag: "Insert"; readonly text: string }
  | {
      readonly _tag: "DeleteBefore" | "DeleteAfter" | "DeleteWord" | "DeleteLine" | "DeleteRest"
    }
  | { readonly _tag: "Left" | "Right" | "Home" | "End" }

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** Longer than any grapheme, so that an edit does not scan a long text. */
const window = 200

const stepBefore = ({ cursor, text }: Draft): number => {
  const near = text.slice(Math.max(0, cursor - window), cursor)
  return [...segmenter.segment(near)].at(-1)?.segment.length ?? 0
}

const stepAfter = ({ cursor, text }: Draft): number => {
  const [next] = segmenter.segment(text.slice(cursor, cursor + window))
  return next?.segment.length ?? 0
}

const remove = ({ cursor, text }: Draft, before: number, after = 0): Draft => ({
  text: text.slice(0, cursor - before) + text.slice(cursor + after),
  cursor: cursor - before
})

const lineStart = ({ cursor, text }: Draft) => text.lastIndexOf("\n", cursor - 1) + 1
const lineEnd = ({ cursor, text }: Draft) => {
  const at = text.indexOf("\n", cursor)
  return at === -1 ? text.length : at
}

export const edit = (draft: Draft, change: Edit): Draft => {
  const { cursor, text } = draft
  switch (change._tag) {
    case "Insert":
      return { text: text.slice(0, cursor) + change.text + text.slice(cursor), cursor: cursor + change.text.length }
    case "DeleteBefore":
      return remove(draft, stepBefore(draft))
    case "DeleteAfter":
      return remove(draft, 0, stepAfter(draft))
    case "DeleteWord":
      return remove(draft, /\S*\s*$/.exec(text.slice(0, cursor))?.[0].length ?? 0)
    case "DeleteLine":
      return remove(draft, cursor - lineStart(draft))
    case "DeleteRest":
      return remove(draft, 0, lineEnd(draft) - cursor)
    case "Left":
      return { text, cursor: cursor - stepBefore(draft) }
    case "Right":
      return { text, cursor: cursor + stepAfter(draft) }
    case "Home":
      return { text, cursor: lineStart(draft) }
    case "End":
      return { text, cursor: lineEnd(draft) }
  }
}

/** The start that all texts share. */
export const commonStart = ([first = "", ...others]: ReadonlyArray<string>): string => {
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--
  return first.slice(0, length)
}

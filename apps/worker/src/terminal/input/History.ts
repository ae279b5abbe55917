/** The prompts that were entered before, for the keys Up and Down. Pure. */

export interface History {
  /** The oldest first. */
  readonly entries: ReadonlyArray<string>
  /** The shown entry, or the number of entries for the text that is being typed. */
  readonly at: number
  /** The text that was being typed when the first entry was shown. */
  readonly typed: string
}

export const empty: History = { entries: [], at: 0, typed: "" }

const most = 500

/** Adds an entry, unless it repeats the last one, and returns to the text that is being typed. */
export const add = ({ entries }: History, text: string): History => {
  const isNew = text.trim() !== "" && entries.at(-1) !== text
  const all = isNew ? [...entries, text].slice(-most) : entries
  return { entries: all, at: all.length, typed: "" }
}

/** The history and the text to show, or undefined at its end. `shown`: the text of the line now. */
export const move = (
  { at, entries, typed }: History,
  by: -1 | 1,
  shown: string
): readonly [History, string] | undefined => {
  const next = at + by
  if (next < 0 || next > entries.length) return undefined
  const kept = at === entries.length ? shown : typed
  return [{ entries, at: next, typed: kept }, entries[next] ?? kept]
}

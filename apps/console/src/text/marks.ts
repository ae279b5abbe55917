/** Pure. */

export interface Mark {
  readonly part: string
  readonly isMatch: boolean
}

/** A text in parts, those that begin like a word of the query marked. */
export const marked = (text: string, query: string): ReadonlyArray<Mark> => {
  const words = query
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  if (words.length === 0) return [{ part: text, isMatch: false }]
  const found = new RegExp(`(${words.join("|")})`, "giu")
  return text
    .split(found)
    .map((part, index) => ({ part, isMatch: index % 2 === 1 }))
    .filter(({ part }) => part !== "")
}

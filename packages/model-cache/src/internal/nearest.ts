/** Ids that an error message suggests. */
const count = 3

/** Levenshtein distance: the fewest insertions, deletions and replacements of UTF-16 units. */
export const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}

/**
 * The ids that `wanted` may mean, best first: those that contain it or are spelt like it, with or without the provider. An
 * id that differs in half of its characters or more is not suggested.
 */
export const nearest = (
  wanted: string,
  models: ReadonlyArray<{ readonly id: string; readonly modelID: string }>
): ReadonlyArray<string> => {
  const asked = wanted.toLowerCase()
  const score = (name: string): number => (asked !== "" && name.includes(asked) ? 0 : distance(asked, name))
  return models
    .map(({ id, modelID }) => ({
      id,
      score: Math.min(score(id.toLowerCase()), score(modelID.toLowerCase()))
    }))
    .filter((candidate) => candidate.score < asked.length / 2)
    .toSorted((a, b) => a.score - b.score || (a.id < b.id ? -1 : 1))
    .slice(0, count)
    .map(({ id }) => id)
}

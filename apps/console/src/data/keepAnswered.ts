/** Pure. */

/**
 * The items of a list with those that were answered here and have left it, at their old places: nothing moves under a finger.
 * `before`: the result of the last call.
 */
export const keepAnswered = <A>(
  before: ReadonlyArray<A>,
  now: ReadonlyArray<A>,
  idOf: (item: A) => string,
  answered: ReadonlySet<string>
): ReadonlyArray<A> => {
  const present = new Set(now.map(idOf))
  const kept = [...now]
  for (const [index, item] of before.entries()) {
    if (!present.has(idOf(item)) && answered.has(idOf(item))) kept.splice(Math.min(index, kept.length), 0, item)
  }
  return kept
}

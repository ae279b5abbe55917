/** JSON that fits. */

/** Longest text that is kept, tried one after another. In code units. */
const limits = [Number.POSITIVE_INFINITY, 10_000, 1_000, 100]

/** `value` as JSON of at most `max` code units, its long texts cut; `{}` if that is not enough. */
export const shorten = (value: unknown, max: number): string => {
  for (const limit of limits) {
    const cut = (_: string, inner: unknown) =>
      typeof inner === "string" && inner.length > limit ? `${inner.slice(0, limit).toWellFormed()}…` : inner
    const json = JSON.stringify(value, cut)
    if (json.length <= max) return json
  }
  return "{}"
}

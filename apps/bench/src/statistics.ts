/** The value below which this share of the values lies, or 0 without values. */
export const percentile = (values: ReadonlyArray<number>, share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? 0

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

/** Rounds to a tenth. */
export const round = (value: number): number => Math.round(value * 10) / 10

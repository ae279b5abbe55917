/** Ages in the largest whole unit: `12s`, `5m`, `3h`, `2d`. Pure. */
const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000]
] as const

export const age = (millis: number): string => {
  const unit = units.find(([, size]) => millis >= size)
  return unit === undefined ? `${Math.max(0, Math.floor(millis / 1000))}s` : `${Math.floor(millis / unit[1])}${unit[0]}`
}

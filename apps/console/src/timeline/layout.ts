/**
 * The geometry of a list of which only the visible rows are mounted. Rows have an estimated height until they are measured.
 * Pure.
 */

export interface Range {
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

export interface Layout {
  readonly keys: ReadonlyArray<string>
  /** `tops[i]` is the top of row i, and `tops[keys.length]` the total height. */
  readonly tops: Float64Array
}

export const layoutOf = (keys: ReadonlyArray<string>, heightOf: (key: string) => number): Layout => {
  const tops = new Float64Array(keys.length + 1)
  for (const [index, key] of keys.entries()) tops[index + 1] = (tops[index] ?? 0) + heightOf(key)
  return { keys, tops }
}

export const heightOf = ({ keys, tops }: Layout): number => tops[keys.length] ?? 0

/** The row at a distance from the top: the last one whose top is not below it. */
export const rowAt = ({ keys, tops }: Layout, y: number): number => {
  let low = 0
  let high = Math.max(0, keys.length - 1)
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((tops[middle] ?? 0) <= y) low = middle
    else high = middle - 1
  }
  return low
}

/** The rows that a viewport shows, with some more above and below: `overscan` in pixels, at most `limit` rows. */
export const rangeOf = (layout: Layout, top: number, height: number, overscan: number, limit: number): Range => {
  if (layout.keys.length === 0) return { start: 0, end: 0 }
  const start = rowAt(layout, Math.max(0, top - overscan))
  const end = rowAt(layout, Math.max(0, top + height + overscan)) + 1
  if (end - start <= limit) return { start, end }
  const first = Math.max(start, rowAt(layout, top) - Math.floor(limit / 8))
  return { start: first, end: Math.min(end, first + limit) }
}

/** The first visible row, and the distance from the top of the viewport to it: at most 0. */
export interface Anchor {
  readonly key: string
  readonly offset: number
}

export const anchorAt = (layout: Layout, top: number): Anchor | null => {
  const row = rowAt(layout, top)
  const key = layout.keys[row]
  return key === undefined ? null : { key, offset: (layout.tops[row] ?? 0) - top }
}

/** The scroll position at which the anchor is where it was. Null if its row is gone. */
export const topFor = (layout: Layout, { key, offset }: Anchor): number | null => {
  const row = layout.keys.indexOf(key)
  return row === -1 ? null : (layout.tops[row] ?? 0) - offset
}

/** The index ranges on which watched results depend, by the number of the result. */
import type { ChangedKey, ReadRange } from "../values/calls.ts"

export class ReadSets {
  readonly #ranges = new Map<number, ReadonlyArray<ReadRange>>()
  readonly #byIndex = new Map<number, Set<number>>()

  set(result: number, ranges: ReadonlyArray<ReadRange>): void {
    this.#ranges.set(result, ranges)
    for (const { index } of ranges) {
      const others = this.#byIndex.get(index.id)
      if (others === undefined) this.#byIndex.set(index.id, new Set([result]))
      else others.add(result)
    }
  }

  delete(result: number): void {
    for (const { index } of this.#ranges.get(result) ?? []) {
      const others = this.#byIndex.get(index.id)
      if (others?.delete(result) && others.size === 0) this.#byIndex.delete(index.id)
    }
    this.#ranges.delete(result)
  }

  /** Forgets all results, and returns them. */
  clear(): ReadonlyArray<number> {
    const results = [...this.#ranges.keys()]
    this.#ranges.clear()
    this.#byIndex.clear()
    return results
  }

  /** Returns the results that a commit invalidates, and forgets them. */
  take(changes: ReadonlyArray<ChangedKey>): ReadonlyArray<number> {
    const invalidated = new Set<number>()
    for (const [indexId, keys] of keysByIndex(changes, this.#byIndex)) {
      for (const result of this.#byIndex.get(indexId) ?? []) {
        const isTouched = (range: ReadRange) => range.index.id === indexId && contains(range, keys)
        if (!invalidated.has(result) && this.#ranges.get(result)?.some(isTouched)) invalidated.add(result)
      }
    }
    for (const result of invalidated) this.delete(result)
    return [...invalidated]
  }
}

/** The changed keys in order, of indexes on which a result depends. */
const keysByIndex = (
  changes: ReadonlyArray<ChangedKey>,
  read: ReadonlyMap<number, unknown>
): Map<number, ReadonlyArray<Uint8Array>> => {
  const keys = new Map<number, Array<Uint8Array>>()
  for (const { indexId, key } of changes) {
    if (!read.has(indexId)) continue
    const others = keys.get(indexId)
    if (others === undefined) keys.set(indexId, [key])
    else others.push(key)
  }
  for (const each of keys.values()) each.sort((left, right) => Buffer.compare(left, right))
  return keys
}

/** Whether one of the sorted keys is in the range, by binary search for the first key that is not below it. */
const contains = ({ high, low }: ReadRange, keys: ReadonlyArray<Uint8Array>): boolean => {
  let [from, to] = [0, keys.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if (Buffer.compare(keys[middle]!, low) < 0) from = middle + 1
    else to = middle
  }
  return from < keys.length && Buffer.compare(keys[from]!, high) < 0
}

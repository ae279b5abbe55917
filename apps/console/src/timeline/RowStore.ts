/** The rows of a timeline, by their keys. A component subscribes to the one row that it shows. */
import { reuse, type Row, sameKeys } from "./rows.ts"

export class RowStore {
  readonly #listeners = new Map<string, Set<() => void>>()
  #rows: ReadonlyMap<string, Row> = new Map()
  #keys: ReadonlyArray<string> = []

  /** In the order of the rows. The same object until a row is added or removed. */
  get keys(): ReadonlyArray<string> {
    return this.#keys
  }

  readonly get = (key: string): Row | undefined => this.#rows.get(key)

  readonly subscribe = (key: string, listener: () => void): (() => void) => {
    const listeners = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(key)
    }
  }

  /** `rows` with the objects that the store has, where nothing changed. */
  readonly reuse = (rows: ReadonlyArray<Row>): ReadonlyArray<Row> => reuse(this.#rows, rows)

  /** Replaces all rows, and wakes the subscribers of those that changed. Returns whether rows were added or removed. */
  replace(groups: Iterable<ReadonlyArray<Row>>): boolean {
    const rows = new Map<string, Row>()
    for (const group of groups) for (const row of group) rows.set(row.key, row)
    const before = this.#rows
    this.#rows = rows
    const keys = [...rows.keys()]
    const isChanged = !sameKeys(keys, this.#keys)
    if (isChanged) this.#keys = keys
    for (const [key, row] of rows) {
      if (before.get(key) !== row) for (const listener of this.#listeners.get(key) ?? []) listener()
    }
    return isChanged
  }
}

/** Ranges of index keys: the unit of reading, and of what a result depends on. */
import type { Index } from "../storage/catalog.ts"
import type { Key } from "../values/keys.ts"

/** The keys in `[low, high)` of an index or search index. */
export interface KeyRange {
  readonly index: Pick<Index, "id">
  readonly low: Key
  readonly high: Key
}

/** A range of an index whose documents can be scanned in order. */
export interface IndexRange extends KeyRange {
  readonly index: Index
}

export type Order = "asc" | "desc"

/**
 * The terms of documents in search indexes.
 *
 * Text is split here, as Convex splits it: into runs of letters and digits, in lower case. SQLite's FTS5 receives terms
 * and only counts and ranks them.
 */
import { createHash } from "node:crypto"
import type { Value } from "convex/values"
import { encodeKey, type Key, LOWEST } from "../values/keys.ts"
import { limits } from "../values/limits.ts"
import { type Document, fieldAt } from "../values/values.ts"

export interface SearchFields {
  readonly searchField: string
  readonly filterFields: ReadonlyArray<string>
}

export interface SearchIndex extends SearchFields {
  readonly id: number
  readonly name: string
}

/** The entry of a document in a search index. */
export interface SearchEntry {
  readonly text: string
  /** One key per filter field. */
  readonly filters: ReadonlyArray<Key>
}

/** `null` if the search field is not a string: such a document cannot be found. */
export const searchEntry = (index: SearchFields, document: Document): SearchEntry | null => {
  const text = fieldAt(document, index.searchField)
  if (typeof text !== "string") return null
  const filters = index.filterFields.map((field) => filterKey(field, fieldAt(document, field)))
  return { filters, text }
}

export const isSameEntry = (left: SearchEntry | null, right: SearchEntry | null): boolean =>
  left === null || right === null
    ? left === right
    : left.text === right.text && left.filters.every((key, i) => key.equals(right.filters[i]!))

/** The keys that a write of this entry changes, as searches depend on them. */
export const searchKeys = (entry: SearchEntry): ReadonlyArray<Key> => [LOWEST, ...entry.filters]

/** The terms of a text, without those that are too long. */
export const termsOf = (text: string): ReadonlyArray<string> =>
  (text.match(/[\p{Alphabetic}\p{Number}]+/gu) ?? [])
    .filter((term) => Buffer.byteLength(term) < limits.searchTermBytes)
    .map((term) => term.toLowerCase())

/** A filter value of any type and length as one term. */
export const filterTerm = (key: Key): string => createHash("sha256").update(key).digest("hex")

export const filterKey = (field: string, value: Value | undefined): Key => encodeKey([field, value])

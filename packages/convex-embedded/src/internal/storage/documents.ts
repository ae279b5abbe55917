/**
 * Writes documents together with their entries in every index of their table.
 *
 * Invariant: a document has exactly one entry in each index of its table, and at most one in each search index.
 */
import { type Index, indexKey, type Table } from "./catalog.ts"
import { encodeKey, type Key } from "../values/keys.ts"
import { isSameEntry, searchEntry, type SearchIndex, searchKeys } from "./search-entries.ts"
import type { StoredDocument } from "./document-tables.ts"
import type { Store } from "./store.ts"
import { type Document, parseDocument } from "../values/values.ts"

/** An index key that a write changed. */
export interface Change {
  readonly indexId: number
  readonly key: Key
}

/** A stored document. */
export interface Existing {
  readonly number: number
  readonly document: Document
}

/** A document to be stored. */
export interface Next {
  readonly json: string
  readonly document: Document
}

/** The index by which documents are found. */
export const primaryIndex = (table: Table): Index => table.indexes.get("by_id")!

/** The key of a document in the primary index. */
export const idKey = (id: string): Key => encodeKey([id])

export const findDocument = (store: Store, table: Table, id: string): StoredDocument | null =>
  store.documents.find(primaryIndex(table), idKey(id))

export const existing = ({ json, number }: StoredDocument): Existing => ({ document: parseDocument(json), number })

/** Inserts (`before` is null), replaces or deletes (`next` is null) a document. */
export const writeDocument = (
  store: Store,
  table: Table,
  before: Existing | null,
  next: Next | null
): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  const number = writeJson(store, before, next)
  for (const index of table.indexes.values()) {
    const oldKey = before && indexKey(index, before.document)
    const newKey = next && indexKey(index, next.document)
    if (oldKey !== null) changes.push({ indexId: index.id, key: oldKey })
    if (oldKey !== null && newKey?.equals(oldKey)) continue
    if (oldKey !== null) store.documents.deleteEntry(index, oldKey)
    if (newKey === null) continue
    changes.push({ indexId: index.id, key: newKey })
    store.documents.putEntry(index, newKey, number)
  }
  for (const index of table.searchIndexes.values()) changes.push(...writeSearch(store, index, number, before, next))
  return changes
}

/** Returns the number of the document. */
const writeJson = (store: Store, before: Existing | null, next: Next | null): number => {
  if (before === null) return store.documents.insert(next!.json)
  if (next === null) store.documents.delete(before.number)
  else store.documents.update(before.number, next.json)
  return before.number
}

const writeSearch = (
  store: Store,
  index: SearchIndex,
  number: number,
  before: Existing | null,
  next: Next | null
): ReadonlyArray<Change> => {
  const oldEntry = before && searchEntry(index, before.document)
  const newEntry = next && searchEntry(index, next.document)
  if (!isSameEntry(oldEntry, newEntry)) {
    if (newEntry === null) store.search.delete(index.id, number)
    else store.search.put(index.id, number, newEntry)
  }
  return [oldEntry, newEntry]
    .filter((entry) => entry !== null)
    .flatMap((entry) => searchKeys(entry))
    .map((key) => ({ indexId: index.id, key }))
}

/**
 * Full-text search: what of a document goes into a search index, and what a search asks of it.
 *
 * Text is split as Convex splits it, into runs of letters and digits in lower case, here and not in SQLite: its FTS5
 * gets terms, and only counts and ranks them.
 *
 * A search depends on the whole index, or on the part of it that has the value of its first filter: a write there
 * makes its result outdated, even when it changes nothing of it.
 */
import { createHash } from "node:crypto"
import type { JSONValue, Value } from "convex/values"
import { encodeKey, HIGHEST, type Key, LOWEST, successor } from "./keys.ts"
import { limits } from "./limits.ts"
import { type Document, fieldAt, fromJson } from "./values.ts"

export interface SearchFields {
  readonly searchField: string
  readonly filterFields: ReadonlyArray<string>
}

export interface SearchIndex extends SearchFields {
  readonly id: number
  readonly name: string
}

/** What a search index has of a document. */
export interface SearchEntry {
  readonly text: string
  /** One for each filter field. */
  readonly filters: ReadonlyArray<Key>
}

export type SearchExpression =
  | { readonly type: "Search"; readonly fieldPath: string; readonly value: string }
  | { readonly type: "Eq"; readonly fieldPath: string; readonly value: JSONValue }

export interface CompiledSearch {
  /** In the language of FTS5; `null` when there is no word to search for, and so nothing to find. */
  readonly match: string | null
  /** The part of the index that the result depends on. */
  readonly low: Key
  readonly high: Key
}

/** `null` for a document whose search field is not a text: it cannot be found. */
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

/** The keys at which a write of this entry changes the index, as far as searches depend on it. */
export const searchKeys = (entry: SearchEntry): ReadonlyArray<Key> => [LOWEST, ...entry.filters]

/** The words of a text. Those that are too long are left out. */
export const termsOf = (text: string): ReadonlyArray<string> =>
  (text.match(/[\p{Alphabetic}\p{Number}]+/gu) ?? [])
    .filter((term) => Buffer.byteLength(term) < limits.searchTermBytes)
    .map((term) => term.toLowerCase())

/** A filter value as one word, whatever its type and length. */
export const filterTerm = (key: Key): string => createHash("sha256").update(key).digest("hex")

/** `where` names the index. Fails for fields that the index does not have, and for too many filters. */
export const compileSearch = (
  where: string,
  index: SearchFields,
  expressions: ReadonlyArray<SearchExpression>
): CompiledSearch => {
  const invalid = (why: string) => new Error(`The search in ${where} ${why}.`)
  const texts: Array<string> = []
  const filters: Array<Key> = []
  for (const expression of expressions) {
    const { fieldPath } = expression
    if (expression.type === "Search") {
      if (fieldPath !== index.searchField) {
        throw invalid(`is for text in '${fieldPath}', but its \`searchField\` is '${index.searchField}'`)
      }
      texts.push(expression.value)
    } else {
      if (!index.filterFields.includes(fieldPath)) {
        throw invalid(`filters by '${fieldPath}', which is not one of its \`filterFields\``)
      }
      filters.push(filterKey(fieldPath, fromJson(expression.value)))
    }
  }
  const [text] = texts
  if (text === undefined) throw invalid(`needs a text to search for: \`q.search("${index.searchField}", text)\``)
  if (texts.length > 1) throw invalid("has more than one text to search for")
  if (filters.length > limits.searchFilters) {
    throw invalid(`has too many filters (${filters.length} > maximum number ${limits.searchFilters})`)
  }
  const [first] = filters
  const part = first === undefined ? { high: HIGHEST, low: LOWEST } : { high: successor(first), low: first }
  return { ...part, match: matchOf(termsOf(text).slice(0, limits.searchTerms), filters) }
}

/** Any of the terms, the last one also as the beginning of a word, which then counts for less; and all of the filters. */
const matchOf = (terms: ReadonlyArray<string>, filters: ReadonlyArray<Key>): string | null => {
  const last = terms.at(-1)
  if (last === undefined) return null
  const anyTerm = terms.map((term) => `"${term}"`).join(" OR ")
  return [`{terms} : (${anyTerm} OR "${last}" *)`, ...filters.map((key) => `{filters} : "${filterTerm(key)}"`)].join(
    " AND "
  )
}

const filterKey = (field: string, value: Value | undefined): Key => encodeKey([field, value])

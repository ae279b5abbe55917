/**
 * Compiles `withSearchIndex` to a query of FTS5.
 *
 * A search depends on the whole index, or on the part of it that has the value of its first filter. A write there
 * invalidates its result, even if the result does not change.
 */
import type { JSONValue } from "convex/values"
import { filterKey, filterTerm, type SearchFields, termsOf } from "../storage/search-entries.ts"
import { HIGHEST, type Key, LOWEST, successor } from "../values/keys.ts"
import { limits } from "../values/limits.ts"
import { fromJson } from "../values/values.ts"

export type SearchExpression =
  | { readonly type: "Search"; readonly fieldPath: string; readonly value: string }
  | { readonly type: "Eq"; readonly fieldPath: string; readonly value: JSONValue }

export interface CompiledSearch {
  /** An FTS5 query; `null` if the text has no term, so that nothing is found. */
  readonly match: string | null
  /** The part of the index that the result depends on. */
  readonly low: Key
  readonly high: Key
}

/** `where`: the name of the index. Fails for fields that the index does not have, and for too many filters. */
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

/** Matches any of the terms, the last also as a prefix (with a lower rank), and all filters. */
const matchOf = (terms: ReadonlyArray<string>, filters: ReadonlyArray<Key>): string | null => {
  const last = terms.at(-1)
  if (last === undefined) return null
  const anyTerm = terms.map((term) => `"${term}"`).join(" OR ")
  return [`{terms} : (${anyTerm} OR "${last}" *)`, ...filters.map((key) => `{filters} : "${filterTerm(key)}"`)].join(
    " AND "
  )
}

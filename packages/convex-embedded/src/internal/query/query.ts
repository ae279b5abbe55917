/** Executes `ctx.db.query(…)`: streams of documents, and pages with stable cursors. */
import type { JSONValue, Value } from "convex/values"
import type { Index } from "../storage/catalog.ts"
import type { Cursors, Position } from "./cursors.ts"
import { passes } from "./filter.ts"
import { after, encodeKey, HIGHEST, type Key, LOWEST, successor } from "../values/keys.ts"
import { compileSearch, type SearchExpression } from "./search.ts"
import type { Row } from "../storage/document-tables.ts"
import type { Order } from "./ranges.ts"
import type { Transaction } from "./transaction.ts"
import { limits } from "../values/limits.ts"
import { fromJson, parseDocument } from "../values/values.ts"

interface RangeExpression {
  readonly type: "Eq" | "Gt" | "Gte" | "Lt" | "Lte"
  readonly fieldPath: string
  readonly value: JSONValue
}

export interface SerializedQuery {
  readonly source:
    | { readonly type: "FullTableScan"; readonly tableName: string; readonly order: Order | null }
    | {
        readonly type: "IndexRange"
        readonly indexName: string
        readonly range: ReadonlyArray<RangeExpression>
        readonly order: Order | null
      }
    | { readonly type: "Search"; readonly indexName: string; readonly filters: ReadonlyArray<SearchExpression> }
  readonly operators: ReadonlyArray<{ readonly filter: JSONValue } | { readonly limit: number }>
}

/** The keys in `[low, high)`. */
interface Bounds {
  readonly low: Key
  readonly high: Key
}

/** The documents of a query in key order, before filters and limits. */
interface Source {
  readonly order: Order
  readonly bounds: Bounds
  /** The fields of its index. They are part of a cursor's query: a redefined index has other keys. */
  readonly fields: unknown
  /** Starts to read a part, and records it as a dependency. */
  readonly read: (part: Bounds, firstBatch: number) => Reading
}

interface Reading {
  readonly rows: Iterable<Row>
  /** The reader has stopped at this key: the dependency ends there. */
  readonly stopAt: (last: Key) => void
}

/**
 * The documents of a query. If the consumer stops early, the dependency ends at the last document that was read: later
 * writes after it do not invalidate the result.
 */
export function* stream(transaction: Transaction, query: SerializedQuery): Generator<Row> {
  const source = sourceOf(transaction, query)
  const limit = limitOf(query)
  const { rows, stopAt } = source.read(source.bounds, limit)
  let [found, last]: [number, Key | null] = [0, null]
  let exhausted = false
  try {
    if (found < limit) {
      for (const row of rows) {
        last = row.key
        if (!matches(query, row)) continue
        found++
        yield row
        if (found >= limit) return
      }
    }
    exhausted = true
  } finally {
    if (!exhausted && last !== null) stopAt(last)
  }
}

export interface PageRequest {
  readonly query: SerializedQuery
  readonly cursor: string | null
  readonly endCursor: string | null
  readonly pageSize: number
  readonly maximumRowsRead?: number | null
  readonly maximumBytesRead?: number | null
}

export interface Page {
  readonly page: ReadonlyArray<string>
  readonly isDone: boolean
  readonly continueCursor: string
  readonly splitCursor: string | null
  readonly pageStatus: "SplitRecommended" | "SplitRequired" | null
}

/**
 * One page. A page whose end is known (`endCursor`, or the journal of an earlier run) keeps that end even if documents are
 * added to it, so that the pages of a changing list have no gaps.
 */
export const page = (
  cursors: Cursors,
  transaction: Transaction,
  request: PageRequest,
  journal: string | null
): Page => {
  const { query } = request
  const { bounds, fields, order, read } = sourceOf(transaction, query)
  const { open, seal } = cursors.of([query, fields])
  const start = request.cursor === null ? "start" : open(request.cursor)
  const fixedEnd = request.endCursor ?? journal
  const end = fixedEnd === null ? null : open(fixedEnd)
  if (start === "end")
    return { continueCursor: seal("end"), isDone: true, page: [], pageStatus: null, splitCursor: null }

  let part = typeof start === "string" ? bounds : from(bounds, start, order)
  if (end !== null && typeof end !== "string") part = upTo(part, end, order)

  const limit = end === "start" ? 0 : Math.min(limitOf(query), end === null ? request.pageSize : Infinity)
  const maximumRows = end === null ? (request.maximumRowsRead ?? Infinity) : Infinity
  const maximumBytes = end === null ? (request.maximumBytesRead ?? Infinity) : Infinity
  const reading = read(part, limit)
  const found: Array<Row> = []
  const keys: Array<Key> = []
  let [bytes, exceeded, stopped] = [0, false, limit === 0]
  if (!stopped) {
    for (const row of reading.rows) {
      // Seen at the next row: a page that reads all rows is the last one, whatever its limits.
      exceeded = keys.length >= maximumRows || bytes >= maximumBytes
      if (exceeded) break
      keys.push(row.key)
      if (matches(query, row)) found.push(row)
      bytes += Buffer.byteLength(row.json)
      stopped = found.length >= limit
      if (stopped) break
    }
  }
  const last: Position = keys.at(-1) ?? start
  if ((stopped || exceeded) && typeof last !== "string") reading.stopAt(last)
  const reached = end ?? (stopped || exceeded ? last : "end")
  const isLarge =
    keys.length > softLimit(limits.documentsRead, request.maximumRowsRead) ||
    bytes > softLimit(limits.bytesRead, request.maximumBytesRead) ||
    found.length > softLimit(limits.arrayElements)
  // The parts of a search cost as much as the whole, so it is not split.
  const middle = keys.length > 2 && query.source.type !== "Search" ? keys[Math.floor(keys.length / 2)]! : null
  return {
    continueCursor: seal(reached),
    isDone: reached === "end",
    page: found.map((row) => row.json),
    pageStatus: exceeded ? "SplitRequired" : isLarge ? "SplitRecommended" : null,
    splitCursor: middle === null ? null : seal(middle)
  }
}

/** Beyond it, clients split a page into the parts before and after its `splitCursor`, as with Convex. */
const softLimit = (most: number, requested?: number | null): number => Math.min(most, requested ?? most) * 0.75

const matches = (query: SerializedQuery, row: Row): boolean => {
  const filters = query.operators.filter((operator) => "filter" in operator)
  if (filters.length === 0) return true
  const document = parseDocument(row.json)
  return filters.every(({ filter }) => passes(document, filter))
}

const limitOf = (query: SerializedQuery): number =>
  Math.min(...query.operators.map((operator) => ("limit" in operator ? operator.limit : Infinity)), Infinity)

/** The part of these bounds after `last`, in reading order. */
const from = ({ high, low }: Bounds, last: Key, order: Order): Bounds =>
  order === "asc" ? { high, low: higher(low, after(last)) } : { high: lower(high, last), low }

/** The part of these bounds up to and including `last`, in reading order. */
const upTo = ({ high, low }: Bounds, last: Key, order: Order): Bounds =>
  order === "asc" ? { high: lower(high, after(last)), low } : { high, low: higher(low, last) }

const higher = (left: Key, right: Key): Key => (left.compare(right) > 0 ? left : right)
const lower = (left: Key, right: Key): Key => (left.compare(right) < 0 ? left : right)

const sourceOf = (transaction: Transaction, { source }: SerializedQuery): Source => {
  if (source.type === "Search") return searchSource(transaction, source)
  const [tableName, indexName] =
    source.type === "FullTableScan" ? [source.tableName, "by_creation_time"] : namesOf(source.indexName)
  const index = transaction.catalog.table(tableName).indexes.get(indexName)
  if (index === undefined) throw new Error(`Index ${tableName}.${indexName} not found.`)
  const order = source.order ?? "asc"
  return {
    bounds: boundsOf(index, source.type === "FullTableScan" ? [] : source.range),
    fields: index.fields,
    order,
    read: (part, firstBatch) => {
      const dependency = { index, ...part }
      transaction.addRead(dependency)
      return {
        rows: transaction.scan({ index, ...part }, order, firstBatch),
        stopAt: (last) => Object.assign(dependency, upTo(part, last, order))
      }
    }
  }
}

/** Depends on the whole searched part, however much is read: a write can move any document to a higher rank. */
const searchSource = (
  transaction: Transaction,
  { filters, indexName }: Extract<SerializedQuery["source"], { type: "Search" }>
): Source => {
  const [tableName, name] = namesOf(indexName)
  const index = transaction.catalog.table(tableName).searchIndexes.get(name)
  if (index === undefined) throw new Error(`Index ${indexName} not found.`)
  const { high, low, match } = compileSearch(indexName, index, filters)
  return {
    bounds: { high: HIGHEST, low: LOWEST },
    fields: [index.searchField, index.filterFields],
    order: "asc",
    read: (part) => {
      transaction.addRead({ high, index, low })
      return { rows: match === null ? [] : transaction.search({ index, ...part }, match), stopAt: () => undefined }
    }
  }
}

/** `table.index` */
const namesOf = (indexName: string): [string, string] => indexName.split(".") as [string, string]

/** `eq` on the first fields of the index, in their order; then at most one lower and one upper bound on the next. */
const boundsOf = (index: Index, expressions: ReadonlyArray<RangeExpression>): Bounds => {
  const invalid = () =>
    new Error(
      `The range of index ${index.name} must be equalities on its first fields, then bounds on the next one: ` +
        `it is on ${index.fields.slice(0, -1).join(", ")}, not in this order on ${expressions.map((each) => each.fieldPath).join(", ")}.`
    )
  const prefix: Array<Value | undefined> = []
  let low: Key | null = null
  let high: Key | null = null
  for (const { fieldPath, type, value } of expressions) {
    if (fieldPath !== index.fields[prefix.length]) throw invalid()
    if (type === "Eq") {
      if (low !== null || high !== null) throw invalid()
      prefix.push(fromJson(value))
      continue
    }
    const key = encodeKey([...prefix, fromJson(value)])
    if (type === "Gt" || type === "Gte") {
      if (low !== null) throw invalid()
      low = type === "Gt" ? successor(key) : key
    } else {
      if (high !== null) throw invalid()
      high = type === "Lt" ? key : successor(key)
    }
  }
  const start = prefix.length === 0 ? LOWEST : encodeKey(prefix)
  return { high: high ?? (prefix.length === 0 ? HIGHEST : successor(start)), low: low ?? start }
}

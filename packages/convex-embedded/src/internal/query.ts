/** Runs what `ctx.db.query(…)` builds: streams of documents, and pages with stable cursors. */
import { createHash } from "node:crypto"
import type { JSONValue, Value } from "convex/values"
import type { Catalog, Index } from "./catalog.ts"
import { passes } from "./filter.ts"
import { after, encodeKey, HIGHEST, type Key, LOWEST, successor } from "./keys.ts"
import type { Row } from "./store.ts"
import type { KeyRange, Order, Transaction } from "./transaction.ts"
import { fromJson, parseDocument } from "./values.ts"

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
    | { readonly type: "Search"; readonly indexName: string }
  readonly operators: ReadonlyArray<{ readonly filter: JSONValue } | { readonly limit: number }>
}

/**
 * The documents of a query. When the consumer stops early, what the query depends on ends at the last document
 * that was read: a write behind it changes nothing.
 */
export function* stream(transaction: Transaction, query: SerializedQuery): Generator<Row> {
  const { order, range } = resolve(transaction.catalog, query)
  const read = { ...range }
  transaction.addRead(read)
  const limit = limitOf(query)
  let [found, last]: [number, Key | null] = [0, null]
  let exhausted = false
  try {
    if (found < limit) {
      for (const row of transaction.scan(range, order, limit)) {
        last = row.key
        if (!matches(query, row)) continue
        found++
        yield row
        if (found >= limit) return
      }
    }
    exhausted = true
  } finally {
    if (!exhausted && last !== null) Object.assign(read, upTo(range, last, order))
  }
}

export interface PageRequest {
  readonly query: SerializedQuery
  readonly cursor: string | null
  readonly endCursor: string | null
  readonly pageSize: number
  readonly maximumRowsRead?: number | null
}

export interface Page {
  readonly page: ReadonlyArray<string>
  readonly isDone: boolean
  readonly continueCursor: string
  readonly splitCursor: string | null
  readonly pageStatus: "SplitRecommended" | null
}

/**
 * One page. A page whose end is known (`endCursor`, or the journal of an earlier run) keeps that end however many
 * documents come between: so that the pages of a list stay without gaps while it changes.
 */
export const page = (transaction: Transaction, request: PageRequest, journal: string | null): Page => {
  const { query } = request
  const { order, range } = resolve(transaction.catalog, query)
  const cursors = cursorsOf(query)
  const start = request.cursor === null ? null : cursors.decode(request.cursor)
  const fixedEnd = request.endCursor ?? journal
  const end = fixedEnd === null ? null : cursors.decode(fixedEnd)
  if (start === "end")
    return { continueCursor: cursors.end, isDone: true, page: [], pageStatus: null, splitCursor: null }

  let read = start === null ? range : from(range, start, order)
  if (end !== null && end !== "end") read = upTo(read, end, order)
  const dependency = { ...read }
  transaction.addRead(dependency)

  const limit = Math.min(limitOf(query), end === null ? request.pageSize : Infinity)
  const maximumRows = end === null ? (request.maximumRowsRead ?? Infinity) : Infinity
  const found: Array<Row> = []
  let [rows, last, stopped]: [number, Key | null, boolean] = [0, start, limit === 0]
  if (!stopped) {
    for (const row of transaction.scan(read, order, limit)) {
      rows++
      last = row.key
      if (matches(query, row)) found.push(row)
      stopped = found.length >= limit || rows >= maximumRows
      if (stopped) break
    }
  }
  if (stopped && last !== null) Object.assign(dependency, upTo(read, last, order))
  const continueCursor = fixedEnd ?? (stopped ? (last === null ? cursors.start : cursors.encode(last)) : cursors.end)
  const middle = found.length > 2 * request.pageSize ? found[Math.floor(found.length / 2)]! : null
  return {
    continueCursor,
    isDone: continueCursor === cursors.end,
    page: found.map((row) => row.json),
    pageStatus: middle === null ? null : "SplitRecommended",
    splitCursor: middle === null ? null : cursors.encode(middle.key)
  }
}

const matches = (query: SerializedQuery, row: Row): boolean => {
  const filters = query.operators.filter((operator) => "filter" in operator)
  if (filters.length === 0) return true
  const document = parseDocument(row.json)
  return filters.every(({ filter }) => passes(document, filter))
}

const limitOf = (query: SerializedQuery): number =>
  Math.min(...query.operators.map((operator) => ("limit" in operator ? operator.limit : Infinity)), Infinity)

/** What is left of a range behind `last`, in the direction of reading. */
const from = (range: KeyRange, last: Key, order: Order): KeyRange =>
  order === "asc" ? { ...range, low: after(last) } : { ...range, high: last }

/** The part of a range up to `last`, including it. */
const upTo = (range: KeyRange, last: Key, order: Order): KeyRange =>
  order === "asc" ? { ...range, high: after(last) } : { ...range, low: last }

const resolve = (catalog: Catalog, { source }: SerializedQuery): { range: KeyRange; order: Order } => {
  if (source.type === "Search")
    throw new Error("Full-text search (withSearchIndex) is not supported by convex-embedded.")
  const [tableName = "", indexName = ""] =
    source.type === "FullTableScan" ? [source.tableName, "by_creation_time"] : source.indexName.split(".")
  const index = catalog.table(tableName).indexes.get(indexName)
  if (index === undefined) throw new Error(`Index ${tableName}.${indexName} not found.`)
  const expressions = source.type === "FullTableScan" ? [] : source.range
  return { order: source.order ?? "asc", range: { index, ...bounds(index, expressions) } }
}

/** `eq` on the first fields of the index, in their order; then at most one lower and one upper bound on the next. */
const bounds = (index: Index, expressions: ReadonlyArray<RangeExpression>): { low: Key; high: Key } => {
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

/** A cursor names the query that it belongs to, and the last key that was read. */
const cursorsOf = (query: SerializedQuery) => {
  const fingerprint = createHash("sha256").update(JSON.stringify(query)).digest("hex").slice(0, 12)
  const start = `${fingerprint}.start`
  const end = `${fingerprint}.end`
  return {
    decode: (cursor: string): Key | "end" | null => {
      if (cursor === end) return "end"
      if (cursor === start) return null
      const [owner, key] = cursor.split(".")
      if (owner === fingerprint && key !== undefined) return Buffer.from(key, "base64url")
      throw new Error(
        "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query."
      )
    },
    encode: (key: Key): string => `${fingerprint}.${key.toString("base64url")}`,
    end,
    start
  }
}

/**
 * One query or mutation at work on the store.
 *
 * Transactions run one after the other (see `Executor`), so the writes of a mutation go straight into a SQLite
 * transaction: its own reads see them, nested mutations are savepoints, and a failure rolls back.
 *
 * Invariants
 * - A query keeps every index range that it read; a mutation keeps every index key that it changed. A subscription
 *   has to run again exactly when one of the keys is in one of its ranges.
 * - Nothing works on a transaction after its end: a function that was stopped cannot write any more.
 */
import type { JSONValue } from "convex/values"
import { claimOf } from "./answers.ts"
import type { ClientMutation } from "./calls.ts"
import type { Catalog, Index, Table } from "./catalog.ts"
import { type Change, type Existing, existing, findDocument, idKey, primaryIndex, writeDocument } from "./documents.ts"
import { newId } from "./ids.ts"
import { after, type Key, successor } from "./keys.ts"
import { limits } from "./limits.ts"
import type { Row, Store, StoredDocument } from "./store.ts"
import { Usage } from "./usage.ts"
import { mismatch } from "./validators.ts"
import { checkStorable, type Document, type Fields, fromJson, stringify } from "./values.ts"

export interface KeyRange {
  readonly index: Pick<Index, "id">
  readonly low: Key
  readonly high: Key
}

/** A range of an index that has documents in order. */
export interface IndexRange extends KeyRange {
  readonly index: Index
}

export type Order = "asc" | "desc"

export class Transaction {
  /** The time of its commit when it writes; of its snapshot otherwise. */
  readonly ts: bigint
  /** The time of the last commit that it sees. */
  readonly snapshotTs: bigint
  readonly reads: Array<KeyRange> = []
  readonly changes: Array<Change> = []
  readonly usage: Usage
  readonly #store: Store
  readonly #catalog: Catalog
  readonly #tables: number
  readonly #mode: "read" | "write"
  #begun = false
  #ended = false
  #depth = 0

  constructor(store: Store, catalog: Catalog, mode: "read" | "write", isUnlimited = false) {
    this.#store = store
    this.#catalog = catalog
    this.#tables = catalog.size
    this.#mode = mode
    this.usage = new Usage(isUnlimited)
    this.ts = mode === "write" ? store.nextTs() : store.ts
    this.snapshotTs = store.ts
  }

  get catalog(): Catalog {
    return this.#catalog
  }

  /** Ends it; what it wrote is durable once the store is synced. Without a write there is nothing to commit. */
  commit(): boolean {
    this.#assertOpen()
    if (this.#begun) this.#store.commit(this.ts)
    this.#ended = true
    return this.#begun
  }

  /** Ends it and undoes what it wrote; does nothing after its end. */
  rollback(): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.#begun) return
    this.#store.rollback()
    if (this.#catalog.size !== this.#tables) this.#catalog.reload()
  }

  /** Runs a part that is undone alone when it fails. Parts nest, and never overlap. */
  async nested<A>(run: () => Promise<A>): Promise<A> {
    if (this.#mode === "read") return run()
    this.#begin()
    const depth = ++this.#depth
    const changes = this.changes.length
    const tables = this.#catalog.size
    this.#store.savepoint(depth)
    try {
      const result = await run()
      this.#assertOpen()
      this.#store.releaseSavepoint(depth)
      return result
    } catch (cause) {
      if (!this.#ended) {
        this.#store.rollbackSavepoint(depth)
        this.changes.length = changes
        if (this.#catalog.size !== tables) this.#catalog.reload()
      }
      throw cause
    } finally {
      this.#depth = depth - 1
    }
  }

  get(id: string): string | null {
    this.#assertOpen()
    const table = this.#catalog.tableOf(id)
    return table === null ? null : (this.#get(table, id)?.json ?? null)
  }

  #get(table: Table, id: string): StoredDocument | null {
    const low = idKey(id)
    this.addRead({ high: successor(low), index: primaryIndex(table), low })
    const found = findDocument(this.#store, table, id)
    if (found !== null) this.usage.countRead(found.json)
    return found
  }

  /** The documents of a range, read in batches; it sees the writes made between two batches. */
  *scan({ high, index, low }: IndexRange, order: Order, firstBatch: number): Generator<Row> {
    let [from, to] = [low, high]
    for (let size = Math.min(Math.max(firstBatch, 1), 64); ; size = Math.min(size * 4, 1024)) {
      this.#assertOpen()
      const rows = this.#store.scan(index, from, to, order, size)
      for (const row of rows) {
        this.usage.countRead(row.json)
        yield row
      }
      if (rows.length < size) return
      if (order === "asc") from = after(rows.at(-1)!.key)
      else to = rows.at(-1)!.key
    }
  }

  /**
   * The documents that match a search and whose key is in `[low, high)`, the best first. What matches is settled when
   * it begins; one that is deleted meanwhile is left out.
   */
  *search({ high, index, low }: KeyRange, match: string): Generator<Row> {
    this.#assertOpen()
    let scanned = 0
    for (const { key, number } of this.#store.search.find(index.id, match)) {
      if (key.compare(low) < 0 || key.compare(high) >= 0) continue
      this.#assertOpen()
      scanned++
      const found = this.#store.search.document(index.id, number)
      if (found === null) continue
      this.usage.countRead(found.json)
      yield { ...found, key }
    }
    if (scanned < limits.searchResults) return
    throw new Error(
      `Search query scanned too many documents (fetched ${limits.searchResults}). Consider using a smaller limit, ` +
        "paginating the query, or using a filter field to limit the number of documents pulled from the search index."
    )
  }

  /** Remembers that the result depends on a range. */
  addRead(range: KeyRange): void {
    this.usage.countRange()
    if (this.#mode === "read") this.reads.push(range)
  }

  insert(tableName: string, json: JSONValue): string {
    this.#writable(tableName)
    this.#begin()
    const table = this.#catalog.table(tableName)
    const fields = checkStorable(this.#resolve(json))
    return this.#create(table, fields)
  }

  /** Inserts a document that may bring its `_id` and `_creationTime`, in place of the one that has this `_id`. */
  importDocument(tableName: string, json: JSONValue): void {
    this.#writable(tableName)
    this.#begin()
    const table = this.#catalog.table(tableName)
    const { _creationTime, _id, ...fields } = fromJson(json) as Fields
    const next = this.#store.nextCreationTime()
    const id = typeof _id === "string" && this.#catalog.isId(_id, tableName) ? _id : newId(table.number, next)
    const before = findDocument(this.#store, table, id)
    const created = typeof _creationTime === "number" ? _creationTime : next
    const document = { ...checkStorable(fields), _id: id, _creationTime: created }
    this.#write(table, before && existing(before), document)
  }

  patch(id: string, json: { readonly [field: string]: JSONValue }): void {
    const { before, table } = this.#existing(id, "Update")
    const changes = Object.entries(json).map(([field, value]) => [field, this.#resolve(value)] as const)
    const merged = Object.entries({ ...before.document, ...Object.fromEntries(changes) })
    this.#replace(table, before, Object.fromEntries(merged.filter(([, value]) => value !== undefined)))
  }

  replace(id: string, json: JSONValue): void {
    const { before, table } = this.#existing(id, "Replace")
    this.#replace(table, before, this.#resolve(json) as Fields)
  }

  remove(id: string): string {
    const { before, json, table } = this.#existing(id, "Delete")
    this.#write(table, before, null)
    return json
  }

  /** Writes a document of a system table, which no function can. */
  insertSystem(tableName: string, fields: Fields): string {
    return this.#create(this.#catalog.table(tableName), fields)
  }

  replaceSystem(document: Document): void {
    const { before, table } = this.#system(document)
    this.#write(table, before, document)
  }

  removeSystem(document: Document): void {
    const { before, table } = this.#system(document)
    this.#write(table, before, null)
  }

  file(id: string): Uint8Array | null {
    this.#assertOpen()
    return this.#store.file(id)
  }

  putFile(id: string, content: Uint8Array): void {
    this.#begin()
    this.#store.putFile(id, content)
  }

  deleteFile(id: string): void {
    this.#begin()
    this.#store.deleteFile(id)
  }

  /** Stores the answer to a client's request with the writes, so that a repetition finds it exactly when they exist. */
  putAnswer({ call, key }: ClientMutation, result: string): void {
    this.#begin()
    const claim = claimOf(call, call.identity?.tokenIdentifier ?? null)
    this.#store.answers.put(key, { claim, result, ts: this.ts })
  }

  #create(table: Table, fields: Fields): string {
    const created = this.#store.nextCreationTime()
    const id = newId(table.number, created)
    this.#write(table, null, { ...fields, _id: id, _creationTime: created })
    return id
  }

  #existing(id: string, verb: string): { before: Existing; json: string; table: Table } {
    this.#assertOpen()
    const table = this.#catalog.tableOf(id)
    const found = table === null ? null : this.#get(table, id)
    if (table === null || found === null) throw new Error(`${verb} on nonexistent document ID ${id}`)
    this.#writable(table.name)
    return { before: existing(found), json: found.json, table }
  }

  /** A document of a system table, which is there. */
  #system({ _id }: Document): { before: Existing; table: Table } {
    const table = this.#catalog.tableOf(_id)!
    return { before: existing(findDocument(this.#store, table, _id)!), table }
  }

  /** `value` may repeat the system fields of the document, unchanged. */
  #replace(table: Table, before: Existing, value: Fields): void {
    const { document } = before
    const { _creationTime, _id, ...fields } = value
    if (
      (_id ?? document._id) !== document._id ||
      (_creationTime ?? document._creationTime) !== document._creationTime
    ) {
      throw new Error(`The system fields '_id' and '_creationTime' of a document cannot be changed: ${document._id}`)
    }
    this.#write(table, before, {
      ...checkStorable(fields),
      _id: document._id,
      _creationTime: document._creationTime
    })
  }

  #write(table: Table, before: Existing | null, next: Document | null): void {
    this.#assertOpen()
    const json = next === null ? "" : this.#encode(table, next)
    this.usage.countWrite(json)
    this.#begin()
    const changes = writeDocument(this.#store, table, before, next === null ? null : { document: next, json })
    this.changes.push(...changes)
  }

  #encode(table: Table, document: Document): string {
    const { _creationTime, _id, ...fields } = document
    const reason = table.validator === null ? null : mismatch(table.validator, fields, this.#catalog.isId)
    if (reason !== null) {
      throw new Error(
        `Failed to insert or update a document in table "${table.name}" because it does not match the schema: ${reason}`
      )
    }
    const json = stringify(document)
    const size = Buffer.byteLength(json)
    // A scheduled function may be larger, by its arguments.
    if (size > limits.documentBytes && !table.name.startsWith("_")) {
      throw new Error(`Value is too large (${size} bytes > maximum size ${limits.documentBytes} bytes)`)
    }
    return json
  }

  /** JSON with this transaction's time where a place is held for it: with one writer it is known from the start. */
  withCommitTs(json: string): string {
    return json.replaceAll(COMMIT_TS, () => `{"$integer":"${int64(this.ts)}"}`)
  }

  #resolve(value: JSONValue) {
    const json = JSON.stringify(value)
    return fromJson(json.includes(COMMIT_TS) ? (JSON.parse(this.withCommitTs(json)) as JSONValue) : value)
  }

  #writable(tableName: string): void {
    if (tableName.startsWith("_")) throw new Error("System tables (prefixed with `_`) are read-only.")
  }

  #begin(): void {
    this.#assertOpen()
    if (this.#mode === "read") throw new Error("Can't write to the database in a query.")
    if (this.#begun) return
    this.#store.begin()
    this.#begun = true
  }

  #assertOpen(): void {
    if (this.#ended) throw new Error("This function has ended: its transaction can no longer be used.")
  }
}

/** The place of a commit time. In a text its quotes would be escaped. */
const COMMIT_TS = '{"$commitTs":null}'

const int64 = (value: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return bytes.toString("base64")
}

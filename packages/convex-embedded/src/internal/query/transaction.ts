/**
 * One query or mutation on the store.
 *
 * Transactions run one after the other (see `Executor`), so a mutation writes directly into a SQLite transaction: its own
 * reads see its writes, nested mutations are savepoints, and a failure rolls back.
 *
 * Invariants
 * - A query records every index range that it reads; a mutation records every index key that it changes. A result is
 *   outdated exactly if one of the changed keys is in one of its ranges.
 * - A transaction rejects every call after its end: a stopped function cannot write.
 */
import { claimOf } from "../storage/answers.ts"
import type { Catalog, Table } from "../storage/catalog.ts"
import type { Row, StoredDocument } from "../storage/document-tables.ts"
import {
  type Change,
  type Existing,
  findDocument,
  idKey,
  type Next,
  primaryIndex,
  writeDocument
} from "../storage/documents.ts"
import type { Store } from "../storage/store.ts"
import type { ClientMutation } from "../values/calls.ts"
import { after, successor } from "../values/keys.ts"
import { limits } from "../values/limits.ts"
import type { IndexRange, KeyRange, Order } from "./ranges.ts"
import { Usage } from "./usage.ts"

export class Transaction {
  /** The time of its commit if it writes; otherwise of its snapshot. */
  readonly ts: bigint
  /** The time of the last commit that it sees. */
  readonly snapshotTs: bigint
  readonly reads: Array<KeyRange> = []
  readonly changes: Array<Change> = []
  readonly usage: Usage
  readonly catalog: Catalog
  readonly #store: Store
  readonly #tables: number
  readonly #mode: "read" | "write"
  #begun = false
  #ended = false
  #depth = 0

  constructor(store: Store, catalog: Catalog, mode: "read" | "write", isUnlimited = false) {
    this.#store = store
    this.catalog = catalog
    this.#tables = catalog.size
    this.#mode = mode
    this.usage = new Usage(isUnlimited)
    this.ts = mode === "write" ? store.nextTs() : store.ts
    this.snapshotTs = store.ts
  }

  /** Ends it. Returns whether there was anything to commit; that is durable once the store is synced. */
  commit(): boolean {
    this.#assertOpen()
    if (this.#begun) this.#store.commit(this.ts)
    this.#ended = true
    return this.#begun
  }

  /** Ends it and undoes its writes; does nothing after its end. */
  rollback(): void {
    if (this.#ended) return
    this.#ended = true
    if (!this.#begun) return
    this.#store.rollback()
    if (this.catalog.size !== this.#tables) this.catalog.reload()
  }

  /** Runs a part that is undone separately if it fails. Parts nest, and never overlap. */
  async nested<A>(run: () => Promise<A>): Promise<A> {
    if (this.#mode === "read") return run()
    this.begin()
    const depth = ++this.#depth
    const changes = this.changes.length
    const tables = this.catalog.size
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
        if (this.catalog.size !== tables) this.catalog.reload()
      }
      throw cause
    } finally {
      this.#depth = depth - 1
    }
  }

  /** The document with this id as JSON. */
  get(id: string): string | null {
    this.#assertOpen()
    const table = this.catalog.tableOf(id)
    return table === null ? null : (this.read(table, id)?.json ?? null)
  }

  /** Reads a document as a function does: counted, and recorded as a dependency. */
  read(table: Table, id: string): StoredDocument | null {
    this.#assertOpen()
    const low = idKey(id)
    this.addRead({ high: successor(low), index: primaryIndex(table), low })
    const found = findDocument(this.#store, table, id)
    if (found !== null) this.usage.countRead(found.json)
    return found
  }

  /** Reads a document for the deployment itself: not counted, not recorded. */
  peek(table: Table, id: string): StoredDocument | null {
    return findDocument(this.#store, table, id)
  }

  /** The documents of a range, read in batches. It sees writes that are made between two batches. */
  *scan({ high, index, low }: IndexRange, order: Order, firstBatch: number): Generator<Row> {
    let [from, to] = [low, high]
    for (let size = Math.min(Math.max(firstBatch, 1), 64); ; size = Math.min(size * 4, 1024)) {
      this.#assertOpen()
      const rows = this.#store.documents.scan(index, from, to, order, size)
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
   * The documents that match a search and whose key is in `[low, high)`, the best first. The matches are determined at
   * the start; documents that are deleted meanwhile are skipped.
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

  /** Records that the result depends on a range. */
  addRead(range: KeyRange): void {
    this.usage.countRange()
    if (this.#mode === "read") this.reads.push(range)
  }

  /** Begins the SQLite transaction, before the first write. */
  begin(): void {
    this.#assertOpen()
    if (this.#mode === "read") throw new Error("Can't write to the database in a query.")
    if (this.#begun) return
    this.#store.begin()
    this.#begun = true
  }

  /** Replaces `before` by `next`; `null` stands for no document. Values are checked by the callers, in `writes.ts`. */
  write(table: Table, before: Existing | null, next: Next | null): void {
    this.#assertOpen()
    this.usage.countWrite(next === null ? "" : next.json)
    this.begin()
    this.changes.push(...writeDocument(this.#store, table, before, next))
  }

  nextCreationTime(): number {
    return this.#store.nextCreationTime()
  }

  file(id: string, range?: { readonly start: number; readonly end: number }): Uint8Array | null {
    this.#assertOpen()
    return this.#store.file(id, range)
  }

  putFile(id: string, content: Uint8Array): void {
    this.begin()
    this.#store.putFile(id, content)
  }

  deleteFile(id: string): void {
    this.begin()
    this.#store.deleteFile(id)
  }

  /** Stores the answer to a client's request in the same commit as its writes, so that a retry finds it. */
  putAnswer({ call, key }: ClientMutation, result: string): void {
    this.begin()
    const claim = claimOf(call, call.identity?.tokenIdentifier ?? null)
    this.#store.answers.put(key, { claim, result, ts: this.ts })
  }

  /** Replaces placeholders of the commit time in a JSON text. With one writer the time is known from the start. */
  withCommitTs(json: string): string {
    if (this.#mode === "read") return json
    return json.replaceAll(COMMIT_TS, () => `{"$integer":"${int64(this.ts)}"}`)
  }

  #assertOpen(): void {
    if (this.#ended) throw new Error("This function has ended: its transaction can no longer be used.")
  }
}

/** The placeholder of a commit time. Inside a string its quotes would be escaped. */
const COMMIT_TS = '{"$commitTs":null}'

const int64 = (value: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return bytes.toString("base64")
}

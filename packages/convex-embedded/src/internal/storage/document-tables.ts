/** The rows of documents and of their indexes. An index is a table `index_<id>` from key to document number. */
import type { Key } from "../values/keys.ts"
import type { Statements } from "./statements.ts"

export interface StoredDocument {
  /** Its row id; documents that are created together are stored together. */
  readonly number: number
  readonly json: string
}

/** A document as an entry of an index. */
export interface Row extends StoredDocument {
  readonly key: Key
}

interface IndexTable {
  readonly id: number
}

export class DocumentTables {
  readonly #sql: Statements

  constructor(sql: Statements) {
    this.#sql = sql
  }

  /** The document with this key in an index. */
  find(index: IndexTable, key: Key): StoredDocument | null {
    const row = this.#sql
      .prepare(
        `SELECT number, json FROM documents WHERE number = (SELECT document FROM index_${index.id} WHERE key = ?)`
      )
      .get(key)
    return (row as StoredDocument | undefined) ?? null
  }

  /** At most `limit` documents whose key is in `[low, high)`. */
  scan(index: IndexTable, low: Key, high: Key, order: "asc" | "desc", limit: number): ReadonlyArray<Row> {
    // With a bare parameter as limit, SQLite would prepare the statement again at each run, for the value of that run.
    const statement = this.#sql.prepare(
      `SELECT key, number, json FROM index_${index.id} CROSS JOIN documents ON number = document
       WHERE key >= ? AND key < ? ORDER BY key ${order} LIMIT ? + 0`
    )
    statement.setReturnArrays(true)
    const rows = statement.all(low, high, limit) as unknown as Array<[Uint8Array, number, string]>
    return rows.map(([{ buffer, byteLength, byteOffset }, number, json]) => ({
      json,
      key: Buffer.from(buffer, byteOffset, byteLength),
      number
    }))
  }

  /** Returns the number of the new document. */
  insert(json: string): number {
    return Number(this.#sql.run("INSERT INTO documents(json) VALUES (?)", json).lastInsertRowid)
  }

  update(number: number, json: string): void {
    this.#sql.run("UPDATE documents SET json = ? WHERE number = ?", json, number)
  }

  delete(number: number): void {
    this.#sql.run("DELETE FROM documents WHERE number = ?", number)
  }

  /** `document`: the number of the document that has this key. */
  putEntry(index: IndexTable, key: Key, document: number): void {
    this.#sql.run(`INSERT INTO index_${index.id} VALUES (?, ?)`, key, document)
  }

  deleteEntry(index: IndexTable, key: Key): void {
    this.#sql.run(`DELETE FROM index_${index.id} WHERE key = ?`, key)
  }

  createIndex(id: number): void {
    // A tree of its own: appending to an index that only grows at its end moves no other rows.
    this.#sql.exec(`CREATE TABLE index_${id}(key BLOB PRIMARY KEY, document INTEGER NOT NULL) WITHOUT ROWID`)
  }

  dropIndex(id: number): void {
    this.#sql.exec(`DROP TABLE index_${id}`)
  }
}

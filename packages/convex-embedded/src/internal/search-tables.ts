/** The search indexes in the SQLite file: FTS5 keeps the terms of each document, and not its text, by the document's number. */
import type { StatementSync } from "node:sqlite"
import { encodeKey, type Key } from "./keys.ts"
import { limits } from "./limits.ts"
import { filterTerm, type SearchEntry, termsOf } from "./search.ts"
import type { SqlValue, StoredDocument } from "./store.ts"

export interface Found {
  /** Of the document. */
  readonly number: number
  /** Orders what was found: the best first, of equals the newest. */
  readonly key: Key
}

interface Sql {
  readonly prepare: (sql: string) => StatementSync
  readonly run: (sql: string, ...parameters: Array<SqlValue>) => void
}

export class SearchTables {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  create(index: number): void {
    // What it gets is words already, in which only bytes above 127, letters and digits occur: what `ascii` takes for one.
    this.#sql.run(
      `CREATE VIRTUAL TABLE search_${index}
       USING fts5(terms, filters, content = '', contentless_delete = 1, tokenize = 'ascii')`
    )
  }

  drop(index: number): void {
    this.#sql.run(`DROP TABLE search_${index}`)
  }

  put(index: number, document: number, { filters, text }: SearchEntry): void {
    this.#sql.run(
      `INSERT OR REPLACE INTO search_${index}(rowid, terms, filters) VALUES (?, ?, ?)`,
      document,
      termsOf(text).join(" "),
      filters.map(filterTerm).join(" ")
    )
  }

  delete(index: number, document: number): void {
    this.#sql.run(`DELETE FROM search_${index} WHERE rowid = ?`, document)
  }

  /** One that was found, if it is still there: its number may be that of another one meanwhile. */
  document(index: number, number: number): StoredDocument | null {
    const found = this.#sql.prepare(
      `SELECT number, json FROM documents WHERE number = (SELECT rowid FROM search_${index} WHERE rowid = ?)`
    )
    return (found.get(number) as StoredDocument | undefined) ?? null
  }

  /** What matches best, up to the number that one search can find. Filters do not count for how well it matches. */
  find(index: number, match: string): ReadonlyArray<Found> {
    const best = this.#sql.prepare(
      `SELECT rowid AS number, bm25(search_${index}, 1, 0) AS score FROM search_${index} WHERE search_${index} MATCH ?
       ORDER BY score, number DESC LIMIT ?`
    )
    const rows = best.all(match, limits.searchResults) as Array<{ number: number; score: number }>
    return rows.map(({ number, score }) => ({ key: encodeKey([score, -number]), number }))
  }
}

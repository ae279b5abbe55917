/** The search indexes: one FTS5 table each, with the terms of each document (not its text) by document number. */
import { encodeKey, type Key } from "../values/keys.ts"
import { limits } from "../values/limits.ts"
import type { StoredDocument } from "./document-tables.ts"
import { filterTerm, type SearchEntry, termsOf } from "./search-entries.ts"
import type { Statements } from "./statements.ts"

export interface Found {
  /** The document's number. */
  readonly number: number
  /** Sorts results: best match first, the newest first among equals. */
  readonly key: Key
}

export class SearchTables {
  readonly #sql: Statements

  constructor(sql: Statements) {
    this.#sql = sql
  }

  create(index: number): void {
    // The terms are split already: they contain only letters, digits and bytes above 127, which `ascii` keeps as one token.
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

  /** A found document, if it still exists. Its number may belong to another document by now. */
  document(index: number, number: number): StoredDocument | null {
    const found = this.#sql.prepare(
      `SELECT number, json FROM documents WHERE number = (SELECT rowid FROM search_${index} WHERE rowid = ?)`
    )
    return (found.get(number) as StoredDocument | undefined) ?? null
  }

  /** The best matches, at most `limits.searchResults`. Filters do not affect the rank. */
  find(index: number, match: string): ReadonlyArray<Found> {
    const best = this.#sql.prepare(
      `SELECT rowid AS number, bm25(search_${index}, 1, 0) AS score FROM search_${index} WHERE search_${index} MATCH ?
       ORDER BY score, number DESC LIMIT ?`
    )
    const rows = best.all(match, limits.searchResults) as Array<{ number: number; score: number }>
    return rows.map(({ number, score }) => ({ key: encodeKey([score, -number]), number }))
  }
}

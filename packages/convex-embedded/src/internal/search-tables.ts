/**
 * The search indexes in the SQLite file. Each has two tables: FTS5 keeps its terms, and not the text, by the number of
 * a row; the other one says which document that is.
 */
import type { StatementSync } from "node:sqlite"
import { encodeKey, type Key } from "./keys.ts"
import { limits } from "./limits.ts"
import { filterTerm, type SearchEntry, termsOf } from "./search.ts"
import type { SqlValue } from "./store.ts"

export interface Found {
  readonly id: string
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
    this.#sql.run(
      `CREATE TABLE searched_${index}(row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, creation_time REAL NOT NULL)`
    )
    // What it gets is words already, in which only bytes above 127, letters and digits occur: what `ascii` takes for one.
    this.#sql.run(
      `CREATE VIRTUAL TABLE search_${index}
       USING fts5(terms, filters, content = '', contentless_delete = 1, tokenize = 'ascii')`
    )
  }

  drop(index: number): void {
    this.#sql.run(`DROP TABLE search_${index}`)
    this.#sql.run(`DROP TABLE searched_${index}`)
  }

  put(index: number, id: string, { creationTime, filters, text }: SearchEntry): void {
    const added = this.#sql.prepare(
      `INSERT INTO searched_${index}(id, creation_time) VALUES (?, ?)
       ON CONFLICT(id) DO UPDATE SET creation_time = excluded.creation_time RETURNING row`
    )
    const { row } = added.get(id, creationTime) as { row: number }
    this.#sql.run(
      `INSERT OR REPLACE INTO search_${index}(rowid, terms, filters) VALUES (?, ?, ?)`,
      row,
      termsOf(text).join(" "),
      filters.map(filterTerm).join(" ")
    )
  }

  delete(index: number, id: string): void {
    const deleted = this.#sql.prepare(`DELETE FROM searched_${index} WHERE id = ? RETURNING row`)
    const { row } = deleted.get(id) as { row: number }
    this.#sql.run(`DELETE FROM search_${index} WHERE rowid = ?`, row)
  }

  /** What matches best, up to the number that one search can find. Filters do not count for how well it matches. */
  find(index: number, match: string): ReadonlyArray<Found> {
    const best = this.#sql.prepare(
      `SELECT id, creation_time, score
       FROM (SELECT rowid, bm25(search_${index}, 1, 0) AS score FROM search_${index} WHERE search_${index} MATCH ?
             ORDER BY score, rowid DESC LIMIT ?) AS best
       JOIN searched_${index} ON row = best.rowid
       ORDER BY score, creation_time DESC, id`
    )
    const rows = best.all(match, limits.searchResults) as Array<{ id: string; creation_time: number; score: number }>
    return rows.map(({ creation_time, id, score }) => ({ id, key: encodeKey([score, -creation_time, id]) }))
  }
}

/** Prepared statements of one SQLite connection, each prepared once. */
import type { DatabaseSync, StatementSync } from "node:sqlite"

export type SqlValue = string | number | bigint | Uint8Array | null

export class Statements {
  readonly #db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.#db = db
  }

  /** `bigints`: whether integers are read as `bigint`; the same for every use of a statement. */
  prepare(sql: string, bigints = false): StatementSync {
    let statement = this.#prepared.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      statement.setReadBigInts(bigints)
      this.#prepared.set(sql, statement)
    }
    return statement
  }

  run(sql: string, ...parameters: Array<SqlValue>) {
    // `run` reads the last row id, and FTS5 leaves ids behind that exceed a JavaScript number.
    return this.prepare(sql, true).run(...parameters)
  }

  /** Runs a statement that is used once. */
  exec(sql: string): void {
    this.#db.exec(sql)
  }
}

/** The rows that declare tables and indexes. */
import type { DocumentTables } from "./document-tables.ts"
import type { SearchTables } from "./search-tables.ts"
import type { Statements } from "./statements.ts"

interface TableRow {
  readonly number: number
  readonly name: string
  readonly validator: string | null
}

interface IndexRow {
  readonly id: number
  readonly table_number: number
  readonly name: string
  readonly fields: string
}

export class SchemaTables {
  readonly #sql: Statements
  readonly #documents: DocumentTables
  readonly #search: SearchTables

  constructor(sql: Statements, documents: DocumentTables, search: SearchTables) {
    this.#sql = sql
    this.#documents = documents
    this.#search = search
  }

  tables(): ReadonlyArray<TableRow> {
    return this.#sql.prepare("SELECT number, name, validator FROM tables").all() as unknown as Array<TableRow>
  }

  /** `number`: `null` assigns the next free one. Returns the number. */
  addTable(name: string, number: number | null): number {
    return Number(this.#sql.run("INSERT INTO tables(number, name) VALUES (?, ?)", number, name).lastInsertRowid)
  }

  setValidator(tableNumber: number, validator: string | null): void {
    this.#sql.run("UPDATE tables SET validator = ? WHERE number = ?", validator, tableNumber)
  }

  indexes(): ReadonlyArray<IndexRow> {
    const statement = this.#sql.prepare("SELECT id, table_number, name, fields FROM indexes")
    return statement.all() as unknown as Array<IndexRow>
  }

  /** Returns the id of the new, empty index. */
  addIndex(tableNumber: number, name: string, fields: string): number {
    const id = this.#declareIndex(tableNumber, name, fields)
    this.#documents.createIndex(id)
    return id
  }

  deleteIndex(id: number): void {
    this.#documents.dropIndex(id)
    this.#sql.run("DELETE FROM indexes WHERE id = ?", id)
  }

  addSearchIndex(tableNumber: number, name: string, fields: string): number {
    const id = this.#declareIndex(tableNumber, name, fields)
    this.#search.create(id)
    return id
  }

  deleteSearchIndex(id: number): void {
    this.#search.drop(id)
    this.#sql.run("DELETE FROM indexes WHERE id = ?", id)
  }

  #declareIndex(tableNumber: number, name: string, fields: string): number {
    const sql = "INSERT INTO indexes(table_number, name, fields) VALUES (?, ?, ?)"
    return Number(this.#sql.run(sql, tableNumber, name, fields).lastInsertRowid)
  }
}

/** The tables and indexes of a deployment, synchronised with the schema of its functions. */
import { isDeepStrictEqual } from "node:util"
import type { ValidatorJSON } from "convex/values"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { tableNumberOf } from "../values/ids.ts"
import { checkIndexes, type TableIndexes } from "./index-rules.ts"
import { encodeKey, HIGHEST, type Key, LOWEST, after } from "../values/keys.ts"
import { searchEntry, type SearchFields, type SearchIndex } from "./search-entries.ts"
import type { Row } from "./document-tables.ts"
import type { Store } from "./store.ts"
import { mismatch } from "../values/validators.ts"
import { type Document, fieldAt, parseDocument } from "../values/values.ts"

export interface Index {
  readonly id: number
  readonly name: string
  /** The declared fields, then the tie-breakers that make every key unique. */
  readonly fields: ReadonlyArray<string>
}

export interface Table {
  readonly number: number
  readonly name: string
  readonly validator: ValidatorJSON | null
  readonly indexes: ReadonlyMap<string, Index>
  readonly searchIndexes: ReadonlyMap<string, SearchIndex>
}

/** The used part of `schema.export()` of a Convex schema. */
export interface SchemaJson {
  readonly tables: ReadonlyArray<
    TableIndexes & {
      readonly tableName: string
      readonly documentType: ValidatorJSON
    }
  >
  readonly schemaValidation: boolean
}

export const SCHEDULED_FUNCTIONS = "_scheduled_functions"
export const CRON_JOBS = "_cron_jobs"
export const STORAGE = "_storage"

/** The numbers are part of stored ids: append, never renumber. */
const SYSTEM_TABLES = [
  { indexes: { by_state: ["state.kind", "scheduledTime"] }, name: SCHEDULED_FUNCTIONS, number: 1 },
  { indexes: {}, name: CRON_JOBS, number: 2 },
  { indexes: {}, name: STORAGE, number: 3 }
] as const

/** The first number of a user table, as in Convex. */
const FIRST_TABLE_NUMBER = 10_001

const NO_INDEXES: TableIndexes = { indexes: [] }

const BUILT_IN: Record<string, ReadonlyArray<string>> = {
  by_creation_time: ["_creationTime", "_id"],
  by_id: ["_id"]
}

export const indexKey = (index: Index, document: Document): Key =>
  encodeKey(index.fields.map((field) => fieldAt(document, field)))

export class Catalog {
  readonly #store: Store
  #byName = new Map<string, Table>()
  #byNumber = new Map<number, Table>()
  /** Whether a reader needed a table that does not exist: only the writer can create it. */
  lacksTable = false

  constructor(store: Store) {
    this.#store = store
    this.reload()
    if (store.isReader) return
    store.begin()
    for (const system of SYSTEM_TABLES) {
      if (!this.#byName.has(system.name)) this.#add(system.name, system.number, system.indexes)
    }
    store.commit(store.nextTs())
  }

  /** Rereads the tables, after a rollback that may have undone the creation of one. */
  reload(): void {
    const indexes = this.#store.schema.indexes()
    this.#byName = new Map()
    this.#byNumber = new Map()
    for (const { name, number, validator } of this.#store.schema.tables()) {
      const table = {
        indexes: new Map<string, Index>(),
        name,
        number,
        searchIndexes: new Map<string, SearchIndex>(),
        validator: validator === null ? null : (JSON.parse(validator) as ValidatorJSON)
      }
      for (const index of indexes.filter((each) => each.table_number === number)) {
        const fields = JSON.parse(index.fields) as Index["fields"] | SearchFields
        const { id, name: indexName } = index
        if ("searchField" in fields) table.searchIndexes.set(indexName, { ...fields, id, name: indexName })
        else table.indexes.set(indexName, { fields, id, name: indexName })
      }
      this.#remember(table)
    }
  }

  get size(): number {
    return this.#byName.size
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** The table of this name; created if it does not exist. */
  table(name: string): Table {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    if (!/^[a-zA-Z][a-zA-Z0-9_]{0,63}$/.test(name)) {
      throw new Error(
        name.startsWith("_")
          ? `The system table '${name}' is not supported by convex-embedded.`
          : `Invalid table name '${name}': table names must be at most 64 letters, digits and underscores and start with a letter.`
      )
    }
    return this.#add(name, this.#byNumber.has(FIRST_TABLE_NUMBER) ? null : FIRST_TABLE_NUMBER, {})
  }

  tableOf(id: string): Table | null {
    const number = tableNumberOf(id)
    return number === null ? null : (this.#byNumber.get(number) ?? null)
  }

  readonly isId = (id: string, tableName: string): boolean => this.tableOf(id)?.name === tableName

  /** Applies the tables, indexes and validators of `schema`; or changes nothing and fails with `InvalidFunctions`. */
  sync(schema: SchemaJson | null): void {
    const declared = new Map(schema?.tables.map((table) => [table.tableName, table]))
    this.#store.begin()
    try {
      for (const name of declared.keys()) this.table(name)
      for (const table of Array.from(this.#byName.values())) {
        if (table.name.startsWith("_")) continue
        const declaration = declared.get(table.name)
        const validator = schema?.schemaValidation ? (declaration?.documentType ?? null) : null
        checkIndexes(table.name, declaration ?? NO_INDEXES, validator)
        this.#syncIndexes(table, declaration ?? NO_INDEXES)
        this.#syncValidator(table, validator)
      }
      this.#store.commit(this.#store.nextTs())
    } catch (cause) {
      this.#store.rollback()
      throw cause
    } finally {
      this.reload()
    }
  }

  #syncIndexes(table: Table, declared: TableIndexes): void {
    const indexes = new Map(
      declared.indexes.map(({ fields, indexDescriptor }) => [indexDescriptor, [...fields, "_creationTime", "_id"]])
    )
    const searchIndexes = new Map(
      declared.searchIndexes?.map(({ filterFields, indexDescriptor, searchField }) => [
        indexDescriptor,
        { filterFields, searchField }
      ])
    )
    // Deleted first, so that their names can be reused.
    for (const { fields, id, name } of table.indexes.values()) {
      if (name in BUILT_IN) continue
      if (isDeepStrictEqual(indexes.get(name), fields)) indexes.delete(name)
      else this.#store.schema.deleteIndex(id)
    }
    for (const { id, name, ...fields } of table.searchIndexes.values()) {
      if (isDeepStrictEqual(searchIndexes.get(name), fields)) searchIndexes.delete(name)
      else this.#store.schema.deleteSearchIndex(id)
    }
    for (const [name, fields] of indexes) {
      const index = this.#addIndex(table.number, name, fields)
      for (const { json, number } of this.#documents(table)) {
        this.#store.documents.putEntry(index, indexKey(index, parseDocument(json)), number)
      }
    }
    for (const [name, fields] of searchIndexes) {
      const index = this.#store.schema.addSearchIndex(table.number, name, JSON.stringify(fields))
      for (const { json, number } of this.#documents(table)) {
        const entry = searchEntry(fields, parseDocument(json))
        if (entry !== null) this.#store.search.put(index, number, entry)
      }
    }
  }

  #syncValidator(table: Table, validator: ValidatorJSON | null): void {
    if (JSON.stringify(validator) === JSON.stringify(table.validator)) return
    if (validator !== null) {
      for (const { json } of this.#documents(table)) {
        const { _creationTime, _id, ...fields } = parseDocument(json)
        const reason = mismatch(validator, fields, this.isId)
        if (reason === null) continue
        throw new ConvexEmbeddedError(
          "InvalidFunctions",
          `The stored document ${_id} of table "${table.name}" does not match the schema: ${reason}\nChange the schema to allow it, or change the document first.`
        )
      }
    }
    this.#store.schema.setValidator(table.number, validator === null ? null : JSON.stringify(validator))
  }

  /** Every document of a table, oldest first. */
  *#documents(table: Table): Generator<Row> {
    const index = table.indexes.get("by_creation_time")!
    for (let low = LOWEST; ;) {
      const rows = this.#store.documents.scan(index, low, HIGHEST, "asc", 1000)
      yield* rows
      if (rows.length < 1000) return
      low = after(rows.at(-1)!.key)
    }
  }

  #add(name: string, wanted: number | null, indexes: Record<string, ReadonlyArray<string>>): Table {
    if (this.#store.isReader) {
      this.lacksTable = true
      throw new Error(`The table '${name}' does not exist yet.`)
    }
    const all = Object.entries({ ...BUILT_IN, ...indexes })
    this.#store.savepoint(0)
    const number = this.#store.schema.addTable(name, wanted)
    const table: Table = {
      indexes: new Map(
        all.map(([index, declared]) => {
          const fields = index in BUILT_IN ? declared : [...declared, "_creationTime", "_id"]
          return [index, this.#addIndex(number, index, fields)]
        })
      ),
      name,
      number,
      searchIndexes: new Map(),
      validator: null
    }
    this.#store.releaseSavepoint(0)
    return this.#remember(table)
  }

  #addIndex(tableNumber: number, name: string, fields: ReadonlyArray<string>): Index {
    return { fields, id: this.#store.schema.addIndex(tableNumber, name, JSON.stringify(fields)), name }
  }

  #remember(table: Table): Table {
    this.#byName.set(table.name, table)
    this.#byNumber.set(table.number, table)
    return table
  }
}

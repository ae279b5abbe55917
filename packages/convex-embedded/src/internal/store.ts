/**
 * The SQLite file: every statement that runs on it (those of search indexes and answers are in `SearchTables` and `Answers`).
 *
 * Invariants
 * - One process, one connection: the file is held exclusively while it is open, whatever the lock record says.
 * - A commit survives the process at once, and a power loss after `sync`: so several share one way to the disk.
 * - `ts` (nanoseconds) and `creationTime` (milliseconds) only grow, across restarts and clock changes.
 */
import { randomBytes } from "node:crypto"
import { closeSync, fdatasyncSync, openSync } from "node:fs"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import type { Index } from "./catalog.ts"
import { Answers } from "./answers.ts"
import { checkContents, checkFile, keepPrivate, openingFailed } from "./data-file.ts"
import { applyFormat, isFresh } from "./data-format.ts"
import { messageOf } from "./errors.ts"
import { CREATION_STEP } from "./ids.ts"
import type { Key } from "./keys.ts"
import { writeBeside } from "../PrivateFiles.ts"
import { SearchTables } from "./search-tables.ts"

/** `full` survives a power loss; `normal` survives any crash of the process, but a power loss may take the last commits. */
export type Durability = "full" | "normal"

export interface StoredDocument {
  /** Its place in the file; documents that are created together lie together. */
  readonly number: number
  readonly json: string
}

/** A document as an index has it. */
export interface Row extends StoredDocument {
  readonly key: Key
}

export type SqlValue = string | number | bigint | Uint8Array | null

const DISK_FAILED =
  "The disk failed: what was committed last may be lost. Nothing is served until the deployment is started again."

/** Keeps the upper levels of the trees of 100,000 documents, and what is in use, in memory. */
const CACHE_KIB = 32 * 1024

/** At this many pages (16 MiB) a commit brings the log into the data file itself, if there was no quiet moment before. */
const LOG_PAGES = 4096

export class Store {
  readonly #db: DatabaseSync
  /** The log of commits, where they have to survive a power loss. */
  readonly #log: number | null
  /** At first too: whoever had the file before may have ended between a commit and the disk. */
  #unsynced = true
  readonly #statements = new Map<string, StatementSync>()
  readonly search = new SearchTables({
    prepare: (sql) => this.#prepare(sql),
    run: (sql, ...parameters) => void this.#run(sql, ...parameters)
  })
  readonly answers = new Answers({
    prepare: (sql, bigints) => this.#prepare(sql, bigints),
    run: (sql, ...parameters) => void this.#run(sql, ...parameters)
  })
  #ts: bigint
  #creationTime: number

  private constructor(db: DatabaseSync, log: number | null) {
    this.#db = db
    this.#log = log
    const clock = this.#prepare("SELECT ts, creation_time FROM clock", true).get() as {
      ts: bigint
      creation_time: number
    }
    this.#ts = later(clock.ts)
    this.#creationTime = clock.creation_time
  }

  /** Fails with `DataCorrupt`, `DataInUse` or, when the system refuses, `InvalidOptions`; the file is then as it was. */
  static open(file: string, durability: Durability): Store {
    let db: DatabaseSync | undefined
    try {
      keepPrivate(file)
      checkFile(file)
      db = new DatabaseSync(file)
      db.exec("PRAGMA locking_mode = EXCLUSIVE")
      if (!isFresh(db)) checkContents(db, file)
      db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB}; ` +
          `PRAGMA wal_autocheckpoint = ${LOG_PAGES}`
      )
      db.exec("BEGIN EXCLUSIVE")
      applyFormat(db)
      db.exec("COMMIT")
      return new Store(db, durability === "full" ? openSync(`${file}-wal`, "r+") : null)
    } catch (cause) {
      db?.close()
      throw openingFailed(file, cause)
    }
  }

  close(): void {
    if (this.#log !== null) closeSync(this.#log)
    this.#db.close()
  }

  /**
   * Lets what was committed survive a power loss too: nobody may hear of it before. Fails with `DiskFailed`; nobody knows
   * then what the disk has, so nothing may be asked of the store any more.
   */
  sync(): void {
    if (!this.#unsynced || this.#log === null) return
    try {
      fdatasyncSync(this.#log)
      this.#unsynced = false
    } catch (cause) {
      throw new ConvexEmbeddedError("DiskFailed", `${DISK_FAILED} (${messageOf(cause)})`, { cause })
    }
  }

  /** Brings the log of commits into the data file, which is as durable before as after: for a quiet moment. */
  checkpoint(): void {
    if (!this.#db.isTransaction) this.#prepare("PRAGMA wal_checkpoint(PASSIVE)").get()
  }

  /** Writes a copy of the last commit to a file, which only its owner can read. */
  backup(file: string): void {
    // SQLite writes to a file that is there when it is empty.
    writeBeside(file, (_, temporary) => this.#db.prepare("VACUUM INTO ?").run(temporary))
  }

  /** The time of the last commit. */
  get ts(): bigint {
    return this.#ts
  }

  /** The time of the next commit; only `commit` makes it the last one. */
  nextTs(): bigint {
    return later(this.#ts)
  }

  /** The creation time of a new document, later than that of any other. */
  nextCreationTime(): number {
    this.#creationTime = Math.max(Date.now(), this.#creationTime + CREATION_STEP)
    return this.#creationTime
  }

  begin(): void {
    this.#run("BEGIN IMMEDIATE")
  }

  commit(ts: bigint): void {
    this.#run("UPDATE clock SET ts = ?, creation_time = ?", ts, this.#creationTime)
    this.#run("COMMIT")
    this.#unsynced = true
    this.#ts = ts
  }

  rollback(): void {
    // Some failures, such as a full disk, have already made SQLite roll back.
    if (this.#db.isTransaction) this.#run("ROLLBACK")
  }

  savepoint(depth: number): void {
    this.#run(`SAVEPOINT nested_${depth}`)
  }

  releaseSavepoint(depth: number): void {
    this.#run(`RELEASE nested_${depth}`)
  }

  rollbackSavepoint(depth: number): void {
    this.#run(`ROLLBACK TO nested_${depth}`)
    this.#run(`RELEASE nested_${depth}`)
  }

  /** The document with this key. */
  document(index: Index, key: Key): StoredDocument | null {
    const row = this.#prepare(
      `SELECT number, json FROM documents WHERE number = (SELECT document FROM index_${index.id} WHERE key = ?)`
    ).get(key)
    return (row as StoredDocument | undefined) ?? null
  }

  /** Gives its number. */
  insertDocument(json: string): number {
    return Number(this.#run("INSERT INTO documents(json) VALUES (?)", json).lastInsertRowid)
  }

  updateDocument(number: number, json: string): void {
    this.#run("UPDATE documents SET json = ? WHERE number = ?", json, number)
  }

  deleteDocument(number: number): void {
    this.#run("DELETE FROM documents WHERE number = ?", number)
  }

  file(id: string): Uint8Array | null {
    const row = this.#prepare("SELECT content FROM files WHERE id = ?").get(id)
    return row === undefined ? null : (row["content"] as Uint8Array)
  }

  putFile(id: string, content: Uint8Array): void {
    this.#run("INSERT INTO files VALUES (?, ?)", id, content)
  }

  deleteFile(id: string): void {
    this.#run("DELETE FROM files WHERE id = ?", id)
  }

  /** `document` is the number of a document that has the key `key` in this index. */
  putEntry(index: Index, key: Key, document: number): void {
    this.#run(`INSERT INTO index_${index.id} VALUES (?, ?)`, key, document)
  }

  deleteEntry(index: Index, key: Key): void {
    this.#run(`DELETE FROM index_${index.id} WHERE key = ?`, key)
  }

  /** At most `limit` documents whose key is in `[low, high)`. */
  scan(index: Index, low: Key, high: Key, order: "asc" | "desc", limit: number): ReadonlyArray<Row> {
    // With a bare parameter as its limit SQLite prepares the statement anew at each run, for the value that it has then.
    const statement = this.#prepare(
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

  tables(): ReadonlyArray<{ number: number; name: string; validator: string | null }> {
    return this.#prepare("SELECT number, name, validator FROM tables").all() as Array<{
      number: number
      name: string
      validator: string | null
    }>
  }

  /** Without a number the table gets the next free one. */
  addTable(name: string, number: number | null): number {
    return Number(this.#run("INSERT INTO tables(number, name) VALUES (?, ?)", number, name).lastInsertRowid)
  }

  setValidator(tableNumber: number, validator: string | null): void {
    this.#run("UPDATE tables SET validator = ? WHERE number = ?", validator, tableNumber)
  }

  indexes(): ReadonlyArray<{ id: number; table_number: number; name: string; fields: string }> {
    return this.#prepare("SELECT id, table_number, name, fields FROM indexes").all() as Array<{
      id: number
      table_number: number
      name: string
      fields: string
    }>
  }

  addIndex(tableNumber: number, name: string, fields: string): number {
    const id = this.#declareIndex(tableNumber, name, fields)
    // A tree of its own, so that an index that only grows at its end does so without moving anything.
    this.#db.exec(`CREATE TABLE index_${id}(key BLOB PRIMARY KEY, document INTEGER NOT NULL) WITHOUT ROWID`)
    return id
  }

  deleteIndex(id: number): void {
    this.#db.exec(`DROP TABLE index_${id}`)
    this.#run("DELETE FROM indexes WHERE id = ?", id)
  }

  addSearchIndex(tableNumber: number, name: string, fields: string): number {
    const id = this.#declareIndex(tableNumber, name, fields)
    this.search.create(id)
    return id
  }

  deleteSearchIndex(id: number): void {
    this.search.drop(id)
    this.#run("DELETE FROM indexes WHERE id = ?", id)
  }

  /** A random key that is kept in this file, and made when it is asked for first. */
  secret(name: string): Uint8Array {
    this.#run("INSERT OR IGNORE INTO secrets VALUES (?, ?)", name, randomBytes(32))
    return this.#prepare("SELECT value FROM secrets WHERE name = ?").get(name)!["value"] as Uint8Array
  }

  #declareIndex(tableNumber: number, name: string, fields: string): number {
    const sql = "INSERT INTO indexes(table_number, name, fields) VALUES (?, ?, ?)"
    return Number(this.#run(sql, tableNumber, name, fields).lastInsertRowid)
  }

  #run(sql: string, ...parameters: Array<SqlValue>) {
    // FTS5 leaves numbers of rows behind that a JavaScript number cannot hold, and `run` gives the last one.
    return this.#prepare(sql, true).run(...parameters)
  }

  #prepare(sql: string, bigints = false): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      statement.setReadBigInts(bigints)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

const later = (ts: bigint): bigint => {
  const now = BigInt(Date.now()) * 1_000_000n
  return now > ts ? now : ts + 1n
}

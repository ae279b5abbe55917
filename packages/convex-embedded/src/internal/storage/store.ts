/**
 * The SQLite file: its transactions, clock and durability. Its tables are accessed through `documents`, `schema`,
 * `search` and `answers`.
 *
 * Invariants
 * - One process: it holds SQLite's lock of `<file>-lock`. One connection writes; others read, each in its own snapshot.
 * - A commit survives a crash of the process immediately, and a power loss after `sync`. Several commits share one sync.
 * - `ts` (nanoseconds) and `creationTime` (milliseconds) only grow, across restarts and clock changes.
 */
import { randomBytes } from "node:crypto"
import { closeSync, fdatasyncSync, openSync, statSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { writeAndRename } from "../../PrivateFiles.ts"
import { messageOf } from "../values/errors.ts"
import { CREATION_STEP } from "../values/ids.ts"
import { Answers } from "./answers.ts"
import { checkContents, checkFile, keepPrivate, lockFolder, openingFailed } from "./data-file.ts"
import { applyFormat, formatOf, isFresh } from "./data-format.ts"
import { DocumentTables } from "./document-tables.ts"
import { SchemaTables } from "./schema-tables.ts"
import { SearchTables } from "./search-tables.ts"
import { Statements } from "./statements.ts"

/** `full` survives a power loss; `normal` survives any crash of the process, but a power loss may lose the last commits. */
export type Durability = "full" | "normal"

const DISK_FAILED =
  "The disk failed: the last commits may be lost. Every call fails until the deployment is started again."

/** Keeps the upper levels of the trees of 100,000 documents, and the pages in use, in memory. */
const CACHE_KIB = 32 * 1024
const READER_CACHE_KIB = 8 * 1024

/** A commit checkpoints the write-ahead log at this many pages (16 MiB), if there was no idle time before. */
const LOG_PAGES = 4096

/** A longer log has to be truncated: overlapping snapshots of readers prevent that SQLite starts it again. */
const MAX_LOG_BYTES = 64 * 1024 * 1024

export class Store {
  readonly documents: DocumentTables
  readonly schema: SchemaTables
  readonly search: SearchTables
  readonly answers: Answers
  /** Whether this connection only reads. */
  readonly isReader: boolean
  readonly #file: string
  readonly #db: DatabaseSync
  /** SQLite's lock of the data folder; `null` for a reader. */
  readonly #lock: DatabaseSync | null
  readonly #sql: Statements
  /** The write-ahead log, where commits have to survive a power loss. */
  readonly #log: number | null
  /** True at the start: the previous process may have ended between a commit and its sync. */
  #unsynced = true
  #isShared = false
  #ts: bigint
  #creationTime: number

  private constructor(file: string, db: DatabaseSync, lock: DatabaseSync | null, log: number | null) {
    this.#file = file
    this.#db = db
    this.#lock = lock
    this.isReader = lock === null
    this.#log = log
    this.#sql = new Statements(db)
    this.documents = new DocumentTables(this.#sql)
    this.search = new SearchTables(this.#sql)
    this.schema = new SchemaTables(this.#sql, this.documents, this.search)
    this.answers = new Answers(this.#sql)
    const clock = this.#clock()
    this.#ts = this.isReader ? clock.ts : later(clock.ts)
    this.#creationTime = clock.creation_time
  }

  #clock() {
    return this.#sql.prepare("SELECT ts, creation_time FROM clock", true).get() as {
      readonly ts: bigint
      readonly creation_time: number
    }
  }

  /** Fails with `DataCorrupt`, `DataInUse`, `DiskFull` or `InvalidOptions`; the file is unchanged then. */
  static open(file: string, durability: Durability): Store {
    let db: DatabaseSync | undefined
    let lock: DatabaseSync | undefined
    try {
      keepPrivate(file)
      lock = lockFolder(file)
      checkFile(file)
      db = new DatabaseSync(file)
      if (!isFresh(db)) checkContents(db, file)
      db.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB}; ` +
          `PRAGMA wal_autocheckpoint = ${LOG_PAGES}`
      )
      // Opens the log before the mode is set: a log that was opened in exclusive mode cannot be shared later.
      formatOf(db)
      db.exec("PRAGMA locking_mode = EXCLUSIVE")
      db.exec("BEGIN EXCLUSIVE")
      applyFormat(db)
      db.exec("COMMIT")
      return new Store(file, db, lock, durability === "full" ? openSync(`${file}-wal`, "r+") : null)
    } catch (cause) {
      db?.close()
      lock?.close()
      throw openingFailed(file, cause)
    }
  }

  /** A second connection to a shared file, which only reads. */
  static openReader(file: string): Store {
    const db = new DatabaseSync(file, { readOnly: true })
    db.exec(`PRAGMA cache_size = -${READER_CACHE_KIB}`)
    return new Store(file, db, null, null)
  }

  /** Permits readers. Until then the file is locked exclusively, which makes statements faster. */
  share(): void {
    this.#db.exec("PRAGMA locking_mode = NORMAL")
    // The lock changes with the next access.
    this.#clock()
    this.#isShared = true
  }

  get isShared(): boolean {
    return this.#isShared
  }

  /**
   * Begins a transaction that reads the last commit, whatever is committed meanwhile; `rollback` ends it. Returns the version
   * of the tables.
   */
  beginSnapshot(): number {
    this.#sql.run("BEGIN")
    const { schema_version: version } = this.#sql.prepare("PRAGMA schema_version").get()!
    this.#ts = this.#clock().ts
    return Number(version)
  }

  close(): void {
    if (this.#log !== null) closeSync(this.#log)
    this.#db.close()
    this.#lock?.close()
  }

  /**
   * Makes all commits survive a power loss: to be called before a commit is acknowledged. Fails with `DiskFailed`; the
   * state of the disk is unknown then, so the store must not be used again.
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

  /** Copies the write-ahead log into the data file. Durability is the same before and after; meant for idle time. */
  checkpoint(): void {
    if (!this.#db.isTransaction) this.#sql.prepare("PRAGMA wal_checkpoint(PASSIVE)").get()
  }

  /** Without readers it never is, except after a transaction of this size. */
  get isLogLong(): boolean {
    return this.#isShared && (statSync(`${this.#file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES
  }

  /** As `checkpoint`, and empties the log; has no effect while a reader has a snapshot. */
  truncateLog(): void {
    this.#sql.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()
  }

  /** Writes a copy of the last commit to a file that only its owner can read. */
  backup(file: string): void {
    // `VACUUM INTO` accepts an existing file if it is empty.
    writeAndRename(file, (_, temporary) => this.#db.prepare("VACUUM INTO ?").run(temporary))
  }

  /** The time of the last commit. */
  get ts(): bigint {
    return this.#ts
  }

  /** The time of the next commit; it takes effect with `commit`. */
  nextTs(): bigint {
    return later(this.#ts)
  }

  /** The creation time of a new document, later than that of any other. */
  nextCreationTime(): number {
    this.#creationTime = Math.max(Date.now(), this.#creationTime + CREATION_STEP)
    return this.#creationTime
  }

  begin(): void {
    this.#sql.run("BEGIN IMMEDIATE")
  }

  commit(ts: bigint): void {
    this.#sql.run("UPDATE clock SET ts = ?, creation_time = ?", ts, this.#creationTime)
    this.#sql.run("COMMIT")
    this.#unsynced = true
    this.#ts = ts
  }

  rollback(): void {
    // After some failures, such as a full disk, SQLite has already rolled back.
    if (this.#db.isTransaction) this.#sql.run("ROLLBACK")
  }

  savepoint(depth: number): void {
    this.#sql.run(`SAVEPOINT nested_${depth}`)
  }

  releaseSavepoint(depth: number): void {
    this.#sql.run(`RELEASE nested_${depth}`)
  }

  rollbackSavepoint(depth: number): void {
    this.#sql.run(`ROLLBACK TO nested_${depth}`)
    this.#sql.run(`RELEASE nested_${depth}`)
  }

  file(id: string, range?: { readonly start: number; readonly end: number }): Uint8Array | null {
    const row =
      range === undefined
        ? this.#sql.prepare("SELECT content FROM files WHERE id = ?").get(id)
        : this.#sql
            .prepare("SELECT substr(content, ?, ?) AS content FROM files WHERE id = ?")
            .get(range.start + 1, range.end - range.start, id)
    return row === undefined ? null : (row["content"] as Uint8Array)
  }

  putFile(id: string, content: Uint8Array): void {
    this.#sql.run("INSERT INTO files VALUES (?, ?)", id, content)
  }

  deleteFile(id: string): void {
    this.#sql.run("DELETE FROM files WHERE id = ?", id)
  }

  /** A random key, created at its first use and stored in this file. */
  secret(name: string): Uint8Array {
    if (!this.isReader) this.#sql.run("INSERT OR IGNORE INTO secrets VALUES (?, ?)", name, randomBytes(32))
    return this.#sql.prepare("SELECT value FROM secrets WHERE name = ?").get(name)!["value"] as Uint8Array
  }
}

const later = (ts: bigint): bigint => {
  const now = BigInt(Date.now()) * 1_000_000n
  return now > ts ? now : ts + 1n
}

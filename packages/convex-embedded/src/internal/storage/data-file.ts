/** Checks a data file before it is used: written by this package, in a known format, and undamaged. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { checkPrivateFile, createPrivateFile } from "../../PrivateFiles.ts"
import { APPLICATION_ID, FORMAT, formatOf, isFresh, OLDEST_FORMAT } from "./data-format.ts"
import { messageOf } from "../values/errors.ts"
import { isCode } from "../values/system-failure.ts"

/** A full check reads the whole file, about 50 ms at this size. For larger files only SQLite's own checks apply. */
const WHOLE_CHECK_BYTES = 16 * 1024 * 1024

const corrupt = (file: string, why: string, cause?: unknown) =>
  new ConvexEmbeddedError(
    "DataCorrupt",
    `The data file ${file} ${why}. It is unchanged: restore a backup, or move it away to start with an empty one.`,
    { cause }
  )

/** The empty file whose lock decides whether the data folder is in use. */
const lockOf = (file: string): string => `${file}-lock`

/** Creates the files that are missing. SQLite creates its additional files with the same mode. */
export const keepPrivate = (file: string): void => {
  for (const suffix of ["-wal", "-shm", "-journal"]) checkPrivateFile(`${file}${suffix}`)
  for (const path of [file, lockOf(file)]) {
    const created = checkPrivateFile(path) ? null : createPrivateFile(path)
    if (created !== null) closeSync(created)
  }
}

/** Locks the data folder until it is closed; the system releases the lock of a killed process. Fails as `isLocked` describes. */
export const lockFolder = (file: string): DatabaseSync => {
  const lock = new DatabaseSync(lockOf(file))
  try {
    // Without a journal file beside it.
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE")
    return lock
  } catch (cause) {
    lock.close()
    throw cause
  }
}

/** Detects a foreign, truncated or damaged file before it is opened for writing. */
export const checkFile = (file: string): void => {
  if (!existsSync(file)) return
  // Before the file: pages that leave the log meanwhile are then found in the file.
  const log = readLog(`${file}-wal`)
  const header = Buffer.alloc(100)
  const descriptor = openSync(file, "r")
  const { size } = fstatSync(descriptor)
  readSync(descriptor, header, 0, 100, 0)
  closeSync(descriptor)
  if (size === 0) return
  if (header.toString("latin1", 0, 16) !== "SQLite format 3\0") throw corrupt(file, "is not a SQLite database")
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
  const pages = log.databasePages ?? header.readUInt32BE(28)
  const reserved = RESERVED_BYTE / pageSize + 1
  // Missing pages may still be in the log: the process was killed before or during a checkpoint.
  for (let page = Math.floor(size / pageSize) + 1; page <= pages; page++) {
    if (page !== reserved && !log.pages.has(page))
      throw corrupt(file, `is cut short (${size} of ${pages * pageSize} bytes)`)
  }
  if (log.pages.size > 0) checkBesideLog(file)
}

/** Read-only, because SQLite checkpoints the log when it closes a writable file, even a damaged one. */
const checkBesideLog = (file: string): void => {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, { readOnly: true })
    if (!isFresh(db)) checkContents(db, file)
  } catch (cause) {
    const failure = openingFailed(file, cause)
    // Other failures are ignored: reading requires shared memory, which exclusive mode does not.
    if (failure.code === "DataCorrupt") throw failure
  } finally {
    db?.close()
  }
}

/** SQLite never writes the page at this offset. */
const RESERVED_BYTE = 0x40000000

/** The pages of a write-ahead log. */
interface Log {
  /** Numbers of pages. */
  readonly pages: ReadonlySet<number>
  /** The size of the data file in pages after the last commit; `null` if there is none. */
  readonly databasePages: number | null
}

/** A log is a header, then pages with a header each; see https://sqlite.org/fileformat2.html#walformat. */
const LOG_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
/** The last bit is the byte order of the checksums. */
const LOG_MAGIC = 0x377f0682

/** SQLite may delete the file at any time. */
const openIfPresent = (file: string): number | null => {
  try {
    return openSync(file, "r")
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return null
    throw cause
  }
}

/** Ignores checksums: SQLite discards an incomplete end of the log, which was never checkpointed. */
const readLog = (file: string): Log => {
  const pages = new Set<number>()
  let databasePages: number | null = null
  const descriptor = openIfPresent(file)
  if (descriptor === null) return { databasePages, pages }
  const { size } = fstatSync(descriptor)
  const header = Buffer.alloc(LOG_HEADER_BYTES)
  readSync(descriptor, header, 0, LOG_HEADER_BYTES, 0)
  if ((header.readUInt32BE(0) & ~1) === LOG_MAGIC) {
    const frameBytes = FRAME_HEADER_BYTES + header.readUInt32BE(8)
    const frame = Buffer.alloc(FRAME_HEADER_BYTES)
    for (let at = LOG_HEADER_BYTES; at + frameBytes <= size; at += frameBytes) {
      readSync(descriptor, frame, 0, FRAME_HEADER_BYTES, at)
      // The log is overwritten from its start in each round, with a new salt: here the last round ends.
      if (!frame.subarray(8, 16).equals(header.subarray(16, 24))) break
      pages.add(frame.readUInt32BE(0))
      databasePages = frame.readUInt32BE(4) || databasePages
    }
  }
  closeSync(descriptor)
  return { databasePages, pages }
}

/** Fails with `DataCorrupt`. */
export const checkContents = (db: DatabaseSync, file: string): void => {
  const pragma = (name: string) => Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0])
  if (pragma("application_id") !== APPLICATION_ID) throw corrupt(file, "is the database of another program")
  const format = formatOf(db)
  if (format < OLDEST_FORMAT || format > FORMAT) {
    const writer = format > FORMAT ? "a newer" : "an older"
    throw corrupt(
      file,
      `was written by ${writer} version of this package (format ${format}; this one reads ${OLDEST_FORMAT} to ${FORMAT})`
    )
  }
  if (pragma("page_count") * pragma("page_size") > WHOLE_CHECK_BYTES) return
  const finding = String(Object.values(db.prepare("PRAGMA quick_check(1)").get()!)[0])
  if (finding !== "ok") throw corrupt(file, `is damaged (${finding.replaceAll(/\s+/g, " ")})`)
}

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

const codeOf = (cause: unknown): number =>
  cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : 0

/** Whether the file could not be opened because another process has opened it. */
export const isLocked = (cause: unknown): boolean => codeOf(cause) === SQLITE_BUSY

/** The error for a file that could not be opened. */
export const openingFailed = (file: string, cause: unknown): ConvexEmbeddedError => {
  const code = codeOf(cause)
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corrupt(file, "is damaged", cause)
  if (isLocked(cause)) {
    return new ConvexEmbeddedError(
      "DataInUse",
      `The data file ${file} is open in another process. End it, or choose another data folder.`,
      { cause }
    )
  }
  if (code === SQLITE_FULL) {
    const message = `The data file ${file} cannot be opened: the disk is full. Free some space, and start again.`
    return new ConvexEmbeddedError("DiskFull", message, { cause })
  }
  if (cause instanceof ConvexEmbeddedError) return cause
  return new ConvexEmbeddedError("InvalidOptions", `The data file ${file} cannot be opened: ${messageOf(cause)}.`, {
    cause
  })
}

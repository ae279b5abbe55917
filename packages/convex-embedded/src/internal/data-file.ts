/** What a data file has to be before anything is read from it: ours, of this format, and whole. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import { checkPrivateFile, createPrivateFile } from "../PrivateFiles.ts"
import { APPLICATION_ID, FORMAT, formatOf, isFresh, OLDEST_FORMAT } from "./data-format.ts"
import { messageOf } from "./errors.ts"

/** A whole check reads the whole file: some 50 ms for a file of this size. Larger files are trusted to SQLite's own checks. */
const WHOLE_CHECK_BYTES = 16 * 1024 * 1024

const corrupt = (file: string, why: string, cause?: unknown) =>
  new ConvexEmbeddedError(
    "DataCorrupt",
    `The data file ${file} ${why}. It was left as it is: restore a copy of it, or move it away to start anew.`,
    { cause }
  )

/** Creates the file if it is missing. SQLite gives those that it adds the mode of this one. */
export const keepPrivate = (file: string): void => {
  for (const suffix of ["-wal", "-shm", "-journal"]) checkPrivateFile(`${file}${suffix}`)
  const created = checkPrivateFile(file) ? null : createPrivateFile(file)
  if (created !== null) closeSync(created)
}

/** Names a foreign, cut or damaged file before anything could touch it. */
export const checkFile = (file: string): void => {
  if (!existsSync(file)) return
  // Before the file: what leaves the log meanwhile is then found there.
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
  // What the file lacks may still be in the log: its process was killed before, or while, it brought the log into it.
  for (let page = Math.floor(size / pageSize) + 1; page <= pages; page++) {
    if (page !== reserved && !log.pages.has(page))
      throw corrupt(file, `is cut short (${size} of ${pages * pageSize} bytes)`)
  }
  if (log.pages.size > 0) checkBesideLog(file)
}

/** SQLite brings the log into the file when it closes it, also when that is damaged; but not when it may only read. */
const checkBesideLog = (file: string): void => {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, { readOnly: true })
    if (!isFresh(db)) checkContents(db, file)
  } catch (cause) {
    const failure = openingFailed(file, cause)
    // Reading needs what opening it for oneself alone does without, such as shared memory.
    if (failure.code === "DataCorrupt") throw failure
  } finally {
    db?.close()
  }
}

/** SQLite never writes the page at this place. */
const RESERVED_BYTE = 0x40000000

/** What a log of commits brings into its data file. */
interface Log {
  /** Numbers of pages. */
  readonly pages: ReadonlySet<number>
  /** How many the data file has after the last commit; `null` when there is none. */
  readonly databasePages: number | null
}

/** The log is a header, then pages with a header each; see https://sqlite.org/fileformat2.html#walformat. */
const LOG_HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
/** The last bit says in which order the bytes of a checksum are. */
const LOG_MAGIC = 0x377f0682

/** Checksums are left to SQLite: by them it drops an end that was not written whole, so was never brought anywhere. */
const readLog = (file: string): Log => {
  const pages = new Set<number>()
  let databasePages: number | null = null
  if (!existsSync(file)) return { databasePages, pages }
  const descriptor = openSync(file, "r")
  const { size } = fstatSync(descriptor)
  const header = Buffer.alloc(LOG_HEADER_BYTES)
  readSync(descriptor, header, 0, LOG_HEADER_BYTES, 0)
  if ((header.readUInt32BE(0) & ~1) === LOG_MAGIC) {
    const frameBytes = FRAME_HEADER_BYTES + header.readUInt32BE(8)
    const frame = Buffer.alloc(FRAME_HEADER_BYTES)
    for (let at = LOG_HEADER_BYTES; at + frameBytes <= size; at += frameBytes) {
      readSync(descriptor, frame, 0, FRAME_HEADER_BYTES, at)
      // The log is written from its start again and again, each time under another mark: here the last time ends.
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

/** What is to be said when a file could not be opened for this cause. */
export const openingFailed = (file: string, cause: unknown): ConvexEmbeddedError => {
  const code = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : 0
  if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return corrupt(file, "is damaged", cause)
  if (code === SQLITE_BUSY) {
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

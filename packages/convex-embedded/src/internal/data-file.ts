/** What a data file has to be before anything is read from it: ours, of this format, and whole. */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import { messageOf } from "./errors.ts"

/** A file of this package says so in its header. */
const APPLICATION_ID = 0x43564542
const FORMAT = 3

/** A whole check reads the whole file: some 50 ms for a file of this size. Larger files are trusted to SQLite's own checks. */
const WHOLE_CHECK_BYTES = 16 * 1024 * 1024

/** By these statements a new file becomes ours. */
export const MARKS = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT};`

export const isFresh = (db: DatabaseSync): boolean => userVersion(db) === 0

const userVersion = (db: DatabaseSync): number => Number(db.prepare("PRAGMA user_version").get()!["user_version"])

const corrupt = (file: string, why: string, cause?: unknown) =>
  new ConvexEmbeddedError(
    "DataCorrupt",
    `The data file ${file} ${why}. It was left as it is: restore a copy of it, or move it away to start anew.`,
    { cause }
  )

/** Without SQLite, so that a foreign or cut file is named before anything could touch it. */
export const checkHeader = (file: string): void => {
  if (!existsSync(file)) return
  const header = Buffer.alloc(100)
  const descriptor = openSync(file, "r")
  const { size } = fstatSync(descriptor)
  readSync(descriptor, header, 0, 100, 0)
  closeSync(descriptor)
  if (size === 0) return
  if (header.toString("latin1", 0, 16) !== "SQLite format 3\0") throw corrupt(file, "is not a SQLite database")
  // One that was killed while it brought the log into the file: what the file lacks is still in the log.
  if ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
  const pages = header.readUInt32BE(28)
  if (pages * pageSize > size) throw corrupt(file, `is cut short (${size} of ${pages * pageSize} bytes)`)
}

/** Fails with `DataCorrupt`. */
export const checkContents = (db: DatabaseSync, file: string): void => {
  const pragma = (name: string) => Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0])
  if (pragma("application_id") !== APPLICATION_ID) throw corrupt(file, "is the database of another program")
  const format = userVersion(db)
  if (format !== FORMAT) {
    const writer = format > FORMAT ? "a newer" : "an older"
    throw corrupt(file, `was written by ${writer} version of this package (format ${format}; this one reads ${FORMAT})`)
  }
  if (pragma("page_count") * pragma("page_size") > WHOLE_CHECK_BYTES) return
  const finding = String(Object.values(db.prepare("PRAGMA quick_check(1)").get()!)[0])
  if (finding !== "ok") throw corrupt(file, `is damaged (${finding.replaceAll(/\s+/g, " ")})`)
}

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
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
  if (cause instanceof ConvexEmbeddedError) return cause
  return new ConvexEmbeddedError("InvalidOptions", `The data file ${file} cannot be opened: ${messageOf(cause)}.`, {
    cause
  })
}

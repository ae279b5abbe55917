/**
 * The record of who serves a data folder: a file that one process creates exclusively, and that says how to reach it.
 * SQLite's own lock is what protects the data; this one is for people and programs that want to know the holder.
 */
import { execFileSync } from "node:child_process"
import { closeSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import { checkPrivateFile, createPrivateFile, replacePrivateFile } from "../PrivateFiles.ts"
import { isCode } from "./system-failure.ts"

/**
 * The process that serves a data folder.
 *
 * @category models
 * @since 0.1.0
 */
export interface LockHolder {
  readonly pid: number
  /** Where it listens; `null` while it starts. */
  readonly url: string | null
}

interface LockRecord extends LockHolder {
  /** When the process started, as the system says it: a later process with the same pid has another one. */
  readonly startedAt: string | null
}

export interface Lock {
  /** Makes the URL known. */
  readonly announce: (url: string) => void
  readonly release: () => void
}

const fileOf = (dataDir: string) => join(dataDir, "lock.json")

/**
 * The live process that serves a data folder, so that a program can connect to its deployment in place of making one.
 *
 * Throws `InvalidOptions` for a record that another user of the machine placed.
 *
 * @returns `null` when no process serves the folder, or the process that did is dead
 * @category accessors
 * @since 0.1.0
 */
export const readLock = (dataDir: string): LockHolder | null => {
  const file = fileOf(dataDir)
  // A record that another user placed would send the caller, and its token, to a server of that user.
  const holder = checkPrivateFile(file) ? parse(read(file) ?? "") : null
  return holder !== null && isAlive(holder) ? { pid: holder.pid, url: holder.url } : null
}

/** Fails with `DataInUse` while a live process holds the folder, which exists; takes over what a dead one left. */
export const acquireLock = (dataDir: string): Lock => {
  const file = fileOf(dataDir)
  while (!tryCreate(file, recordOf(null))) {
    if (!checkPrivateFile(file)) continue
    const text = readWritten(file)
    if (text === null) continue
    const holder = parse(text)
    if (holder !== null && isAlive(holder)) throw inUse(dataDir, holder)
    removeStale(file, `${file}.${process.pid}.${performance.now()}.stale`, text)
  }
  return {
    announce: (url) => replacePrivateFile(file, recordOf(url)),
    release: () => rmSync(file, { force: true })
  }
}

const recordOf = (url: string | null): string =>
  JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid), url } satisfies LockRecord)

const inUse = (dataDir: string, { pid, url }: LockHolder) =>
  new ConvexEmbeddedError(
    "DataInUse",
    `The data folder ${dataDir} is in use by process ${pid}${url === null ? ", which is starting" : ` at ${url}`}. ` +
      "Connect to it, end it, or choose another folder."
  )

/** Whether the name was free. Not by a link to a written file: some file systems (exFAT, SMB) have no links. */
const tryCreate = (file: string, text: string): boolean => {
  const descriptor = createPrivateFile(file)
  if (descriptor === null) return false
  try {
    writeFileSync(descriptor, text)
    return true
  } catch (cause) {
    rmSync(file, { force: true })
    throw cause
  } finally {
    closeSync(descriptor)
  }
}

/** Between the creation of a record and its text pass microseconds, unless its process dies. */
const WRITING_MILLIS = 500
const LOOK_AGAIN_MILLIS = 5

/** The text of a record once it is complete, or as its process left it. */
const readWritten = (file: string): string | null => {
  for (let waited = 0; ; waited += LOOK_AGAIN_MILLIS) {
    const text = read(file)
    if (text === null || parse(text) !== null || waited >= WRITING_MILLIS) return text
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MILLIS)
  }
}

/** Removes the record that was found stale, and puts back one that another process has written in the meantime. */
const removeStale = (file: string, aside: string, stale: string): void => {
  try {
    renameSync(file, aside)
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return
    throw cause
  }
  const moved = read(aside)
  if (moved !== null && moved !== stale) tryCreate(file, moved)
  rmSync(aside, { force: true })
}

const read = (file: string): string | null => {
  try {
    return readFileSync(file, "utf8")
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return null
    throw cause
  }
}

const parse = (text: string): LockRecord | null => {
  try {
    const { pid, startedAt, url } = JSON.parse(text) as LockRecord
    return Number.isSafeInteger(pid) && pid > 0 ? { pid, startedAt: startedAt ?? null, url: url ?? null } : null
  } catch {
    return null
  }
}

const isAlive = ({ pid, startedAt }: LockRecord): boolean => {
  try {
    process.kill(pid, 0)
  } catch (cause) {
    // Somebody else's process may not be signalled, but it lives.
    if (!isCode(cause, "EPERM")) return false
  }
  const start = startOf(pid)
  return start === null || startedAt === null || start === startedAt
}

/** When a process started; `null` when the system does not say. */
const startOf = (pid: number): string | null => {
  try {
    if (process.platform === "linux") {
      // The 22nd field; the second one is in parentheses and may contain anything.
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      return `${read("/proc/sys/kernel/random/boot_id")?.trim()}:${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`
    }
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim()
  } catch {
    return null
  }
}

/**
 * The record of who serves a data folder: a file that one process creates exclusively, and that says how to reach it.
 * SQLite's own lock is what protects the data; this one is for people and programs that want to know the holder.
 */
import { execFileSync } from "node:child_process"
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"

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
 * @returns `null` when nobody serves the folder, or the one who did is dead
 * @category accessors
 * @since 0.1.0
 */
export const readLock = (dataDir: string): LockHolder | null => {
  const text = read(fileOf(dataDir))
  const holder = text === null ? null : parse(text)
  return holder !== null && isAlive(holder) ? { pid: holder.pid, url: holder.url } : null
}

/** Fails with `DataInUse` while a live process holds the folder; takes over what a dead one left. */
export const acquireLock = (dataDir: string): Lock => {
  mkdirSync(dataDir, { recursive: true })
  const file = fileOf(dataDir)
  // The name of a temporary file: links and renames make each step all or nothing.
  const own = `${file}.${process.pid}.${performance.now()}`
  const record = (url: string | null) =>
    writeFileSync(own, JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid), url } satisfies LockRecord))
  record(null)
  try {
    while (!tryLink(own, file)) {
      const text = read(file)
      if (text === null) continue
      const holder = parse(text)
      if (holder !== null && isAlive(holder)) throw inUse(dataDir, holder)
      removeStale(file, `${own}.stale`, text)
    }
  } finally {
    rmSync(own, { force: true })
  }
  return {
    announce: (url) => {
      record(url)
      renameSync(own, file)
    },
    release: () => rmSync(file, { force: true })
  }
}

const inUse = (dataDir: string, { pid, url }: LockHolder) =>
  new ConvexEmbeddedError(
    "DataInUse",
    `The data folder ${dataDir} is in use by process ${pid}${url === null ? ", which is starting" : ` at ${url}`}. ` +
      "Connect to it, end it, or choose another folder."
  )

const tryLink = (existing: string, file: string): boolean => {
  try {
    linkSync(existing, file)
    return true
  } catch (cause) {
    if (isCode(cause, "EEXIST")) return false
    throw cause
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
  if (read(aside) !== stale) tryLink(aside, file)
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

const isCode = (cause: unknown, code: string): boolean =>
  cause instanceof Error && "code" in cause && cause.code === code

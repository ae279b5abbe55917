/**
 * The record of the process that serves a data folder: `lock.json`, for error messages and for programs that connect to
 * the deployment. SQLite's exclusive lock protects the data. The record of a killed process remains until the next start,
 * so it is only meaningful while the data file is locked.
 */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { checkPrivateFile, replacePrivateFile } from "../../PrivateFiles.ts"

/** The process that serves a data folder. */
export interface Holder {
  readonly pid: number
  readonly url: string
}

const fileOf = (dataDir: string) => join(dataDir, "lock.json")

/** Fails with `InvalidOptions` if another user placed the record: its URL could be that user's server. */
export const readHolder = (dataDir: string): Holder | null => {
  const file = fileOf(dataDir)
  if (!checkPrivateFile(file)) return null
  try {
    const { pid, url } = JSON.parse(readFileSync(file, "utf8")) as Holder
    return Number.isSafeInteger(pid) && typeof url === "string" ? { pid, url } : null
  } catch {
    return null
  }
}

export const writeHolder = (dataDir: string, url: string): void =>
  replacePrivateFile(fileOf(dataDir), JSON.stringify({ pid: process.pid, url } satisfies Holder))

/** Fails as `readHolder`. */
export const removeHolder = (dataDir: string): void => {
  if (checkPrivateFile(fileOf(dataDir))) rmSync(fileOf(dataDir), { force: true })
}

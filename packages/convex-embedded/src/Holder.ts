/** Finds the process that serves a data folder, without loading the deployment. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { type Holder, readHolder } from "./internal/storage/holder.ts"
import { isLocked } from "./internal/storage/data-file.ts"

export type { Holder }

/**
 * @returns the process and its address, or `null` if no process serves the folder. Throws `InvalidOptions` if another user
 * placed the record of the process.
 */
export const findHolder = (dataDir: string): Holder | null => {
  const holder = readHolder(dataDir)
  return holder !== null && isServed(join(dataDir, "data.sqlite")) ? holder : null
}

/** The process that serves a file has locked it. */
const isServed = (file: string): boolean => {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(file, { readOnly: true })
    db.prepare("PRAGMA schema_version").get()
    return false
  } catch (cause) {
    return isLocked(cause)
  } finally {
    db?.close()
  }
}

/** Files of the worker's directory, and whether a person has changed them. */
import { createHash } from "node:crypto"
import { readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"

/** A larger file is not read: whether it was changed is not known. */
const maxSize = 10_000_000
/** Entries that are looked at for changes. */
const maxEntries = 20_000
const skipped: ReadonlySet<string> = new Set([".git", "node_modules"])

/** SHA-256 of the content. Null: there is no such file. Empty: it cannot be read, or is too large. */
export const hashOf = (path: string): Effect.Effect<string | null> =>
  Effect.promise(async () => {
    try {
      if ((await stat(path)).size > maxSize) return ""
      return createHash("sha256")
        .update(await readFile(path))
        .digest("hex")
    } catch (cause) {
      return cause instanceof Error && "code" in cause && cause.code === "ENOENT" ? null : ""
    }
  })

/** Remembers a file. Running the result restores it, with the time at which it was written. */
export const remember = (path: string): Effect.Effect<Effect.Effect<void>> =>
  Effect.promise(async () => {
    const known = await Promise.all([readFile(path), stat(path)]).catch(() => null)
    return Effect.promise(async () => {
      if (known === null) return rm(path, { force: true })
      const [content, { atime, mtime }] = known
      await writeFile(path, content)
      return utimes(path, atime, mtime)
    })
  })

/** The files that were written after `since` (milliseconds since 1970), at most `limit`, relative to the directory. */
export const changedAfter = (directory: string, since: number, limit: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const changed: Array<string> = []
    const folders = [""]
    let entries = 0
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const found = await readdir(join(directory, folder), { withFileTypes: true }).catch(() => [])
      for (const entry of found) {
        if (changed.length === limit || ++entries > maxEntries) return changed
        const path = join(folder, entry.name)
        if (entry.isDirectory()) {
          if (!skipped.has(entry.name)) folders.push(path)
        } else if (entry.isFile()) {
          const written = await stat(join(directory, path)).catch(() => undefined)
          if (written !== undefined && written.mtimeMs > since) changed.push(path)
        }
      }
    }
    return changed
  })

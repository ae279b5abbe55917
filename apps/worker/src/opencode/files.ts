/** Files of the worker's directory, and whether a person has changed them. */
import { createHash } from "node:crypto"
import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, symlink, utimes, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Effect } from "effect"

/** A larger file is not read: whether it was changed is not known. */
const maxSize = 10_000_000
/** Entries that are looked at for changes. */
const maxEntries = 20_000
const skipped: ReadonlySet<string> = new Set([".git", "node_modules"])

const isMissing = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const sha256 = (content: Uint8Array | string) => createHash("sha256").update(content).digest("hex")

/**
 * SHA-256 of the content, or of the target of a link, which is not followed. Null: there is no such file. Empty: it cannot be
 * read, or is too large.
 */
export const hashOf = (path: string): Effect.Effect<string | null> =>
  Effect.promise(async () => {
    try {
      const entry = await lstat(path)
      if (entry.isSymbolicLink()) return sha256(`link to ${await readlink(path)}`)
      return entry.isFile() && entry.size <= maxSize ? sha256(await readFile(path)) : ""
    } catch (cause) {
      return isMissing(cause) ? null : ""
    }
  })

/** Writes what a path had. */
const restorer = async (path: string): Promise<() => Promise<unknown>> => {
  const entry = await lstat(path).catch((cause: unknown) => {
    if (isMissing(cause)) return null
    throw cause
  })
  if (entry === null) return () => Promise.resolve()
  const { atime, mode, mtime } = entry
  if (entry.isSymbolicLink()) {
    const target = await readlink(path)
    return () => symlink(target, path)
  }
  if (!entry.isFile()) throw new Error("it is not a file")
  const content = await readFile(path)
  return async () => {
    await writeFile(path, content, { flag: "wx" })
    await chmod(path, mode)
    await utimes(path, atime, mtime)
  }
}

/**
 * Remembers a file or link. Running the result restores it, with the time at which it was written. Fails with the reason if
 * it cannot be read, because it could not be restored.
 */
export const remember = (path: string): Effect.Effect<Effect.Effect<void>, string> =>
  Effect.tryPromise({
    try: () => restorer(path),
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  }).pipe(
    Effect.map((restore) =>
      Effect.promise(async () => {
        // A link in its place would be followed.
        await rm(path, { force: true })
        await mkdir(dirname(path), { recursive: true })
        await restore()
      })
    )
  )

/**
 * The files that were written after `since` (milliseconds since 1970), at most `limit`, relative to the directory. Null: none
 * was found, and the directory has more entries than are looked at.
 */
export const changedAfter = (
  directory: string,
  since: number,
  limit: number,
  entriesAtMost = maxEntries
): Effect.Effect<ReadonlyArray<string> | null> =>
  Effect.promise(async () => {
    const changed: Array<string> = []
    const folders = [""]
    let entries = 0
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const found = await readdir(join(directory, folder), { withFileTypes: true }).catch(() => [])
      for (const entry of found) {
        if (changed.length === limit) return changed
        if (++entries > entriesAtMost) return changed.length > 0 ? changed : null
        const path = join(folder, entry.name)
        if (entry.isDirectory()) {
          if (!skipped.has(entry.name)) folders.push(path)
        } else if (entry.isFile() || entry.isSymbolicLink()) {
          const written = await lstat(join(directory, path)).catch(() => undefined)
          if (written !== undefined && written.mtimeMs > since) changed.push(path)
        }
      }
    }
    return changed
  })

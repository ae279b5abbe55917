/** Hashes of files, by which an undo and a redo find what a person has changed. */
import { createHash } from "node:crypto"
import { lstat, readdir, readFile, readlink } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"

/** A larger file is not read. */
const maxSize = 10_000_000
/** Entries of a directory that are looked at. */
const maxEntries = 20_000
const ignored: ReadonlySet<string> = new Set([".git", "node_modules"])
const atOnce = { concurrency: 16 } as const

export const isMissing = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

const sha256 = (content: Uint8Array | string) => createHash("sha256").update(content).digest("hex")

const hash = (path: string, ofLarge: (size: number, writtenAt: number) => string): Effect.Effect<string | null> =>
  Effect.promise(async () => {
    try {
      const entry = await lstat(path)
      if (entry.isSymbolicLink()) return sha256(`link to ${await readlink(path)}`)
      if (!entry.isFile()) return ""
      return entry.size <= maxSize ? sha256(await readFile(path)) : ofLarge(entry.size, Math.trunc(entry.mtimeMs))
    } catch (cause) {
      return isMissing(cause) ? null : ""
    }
  })

/**
 * SHA-256 of the content, or of the target of a link, which is not followed. Null: there is no such file. Empty: it cannot be
 * read, or is too large.
 */
export const hashOf = (path: string): Effect.Effect<string | null> => hash(path, () => "")

/** `hashOf`, with the size and the time of a large file in the place of its content. */
export const fingerprintOf = (path: string): Effect.Effect<string | null> =>
  hash(path, (size, writtenAt) => `${size} bytes of ${writtenAt}`)

export type Fingerprints = ReadonlyMap<string, string | null>

const fingerprintsOf = (paths: ReadonlyArray<string>): Effect.Effect<Fingerprints> =>
  Effect.map(
    Effect.forEach(paths, (path) => Effect.map(fingerprintOf(path), (found) => [path, found] as const), atOnce),
    (entries) => new Map(entries)
  )

/** The files and links of a directory, as absolute paths. Null: it has more entries than are looked at. */
const filesIn = (directory: string, except: string, entriesAtMost: number) =>
  Effect.promise(async () => {
    const files: Array<string> = []
    const folders = [directory]
    let entries = 0
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const found = await readdir(folder, { withFileTypes: true }).catch(() => [])
      for (const entry of found) {
        if (++entries > entriesAtMost) return null
        const path = join(folder, entry.name)
        if (ignored.has(entry.name) || path === except) continue
        if (entry.isDirectory()) folders.push(path)
        else if (entry.isFile() || entry.isSymbolicLink()) files.push(path)
      }
    }
    return files
  })

/**
 * The files of a directory without `.git`, `node_modules` and the folder `except`, by their absolute paths. Null: it has more
 * entries than are looked at.
 */
export const directoryFingerprints = Effect.fnUntraced(function* (
  directory: string,
  except: string,
  entriesAtMost = maxEntries
) {
  const files = yield* filesIn(directory, except, entriesAtMost)
  return files === null ? null : yield* fingerprintsOf(files)
})

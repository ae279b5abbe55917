/**
 * Reads files of a project that may be hostile: no file outside the project, no device that blocks, nothing without a limit.
 *
 * All of it is synchronous. The limits below keep it to a few milliseconds.
 */
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, realpathSync } from "node:fs"
import { isAbsolute, join, relative, sep } from "node:path"

/** Bytes of a file that reaches OpenCode or the model. */
export const fileLimit = 256 * 1024
/** Files and folders below one folder. A larger one is not read at all. */
const entryLimit = 5_000
const depthLimit = 16

export type Read =
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Refused"; readonly reason: string }

export const isInside = (root: string, path: string): boolean => {
  const way = relative(root, path)
  return way === "" || (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}

/** The path without symbolic links, or undefined if it does not exist. */
export const realPath = (path: string): string | undefined => {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

const refused = (reason: string): Read => ({ _tag: "Refused", reason })
const codeOf = (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : "an unknown error")

/** The text of a regular file whose real path is inside `root`. */
export const readInside = (root: string, path: string, limit = fileLimit): Read => {
  let descriptor: number | undefined
  try {
    const real = realpathSync(path)
    if (!isInside(root, real)) return refused("it is a link to a file outside the project")
    // Non-blocking: opening a FIFO would wait for its writer.
    descriptor = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    const status = fstatSync(descriptor)
    if (!status.isFile()) return refused("it is not a regular file")
    if (status.size > limit) return refused(`it is larger than ${Math.floor(limit / 1024)} KiB`)
    return { _tag: "Text", text: readFileSync(descriptor, "utf8") }
  } catch (error) {
    const code = codeOf(error)
    return code === "ENOENT" || code === "ENOTDIR" ? { _tag: "Absent" } : refused(`it cannot be read (${code})`)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

export interface Found {
  /** Below the folder, with `/`. */
  readonly name: string
  readonly path: string
  readonly isLinkedFolder: boolean
}

/**
 * The files below a folder, sorted, without following links to folders. Undefined if there is no such folder or it has
 * too many entries.
 */
export const filesBelow = (
  root: string,
  folder: string,
  skip: (name: string) => boolean = () => false
): ReadonlyArray<Found> | undefined => {
  const real = realPath(folder)
  if (real === undefined || !isInside(root, real)) return undefined
  const found: Array<Found> = []
  let entries = 0
  const walk = (below: string, depth: number): boolean => {
    if (depth > depthLimit) return false
    let names
    try {
      names = readdirSync(join(folder, below), { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    } catch {
      return true
    }
    for (const entry of names) {
      const name = below === "" ? entry.name : `${below}/${entry.name}`
      if (skip(name)) continue
      if (++entries > entryLimit) return false
      const path = join(folder, name)
      if (entry.isDirectory()) {
        if (!walk(name, depth + 1)) return false
      } else found.push({ name, path, isLinkedFolder: entry.isSymbolicLink() && isFolder(path) })
    }
    return true
  }
  return walk("", 0) ? found : undefined
}

const isFolder = (path: string): boolean => {
  try {
    readdirSync(path)
    return true
  } catch {
    return false
  }
}

/**
 * Folders and files that only one user of the machine may read: mode 700 and 600, whatever the umask is.
 *
 * An open folder of this user is tightened. A folder, file or link that another user placed is rejected, because that
 * user can read or replace it. On a file system that assigns one owner or mode to all files (exFAT, SMB), the assigned
 * owner counts as this user, and modes are not changed.
 *
 * Failures are a `ConvexEmbeddedError`: `DiskFull` if the disk is full, otherwise `InvalidOptions`.
 */
import { randomUUID } from "node:crypto"
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync
} from "node:fs"
import { dirname, join, resolve } from "node:path"
import { ConvexEmbeddedError } from "./ConvexEmbeddedError.ts"
import { isCode, systemFailure } from "./internal/values/system-failure.ts"

export { isConvexEmbeddedError } from "./ConvexEmbeddedError.ts"

const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const OTHERS = 0o077

/**
 * Creates a folder and its missing parents with mode 700. An existing folder that is open to others is tightened if it is
 * empty or has an entry that `isOwn` accepts, and rejected otherwise: it is used for another purpose.
 *
 * @returns a warning for the user if an existing folder was open to other users, otherwise `null`
 */
export const makePrivateFolder = (path: string, isOwn: (name: string) => boolean): string | null => {
  const folder = resolve(path)
  try {
    if (createFolder(folder)) return null
    const info = checked(folder, "a folder")
    return isOpen(info) ? tighten(folder, info, isOwn) : null
  } catch (cause) {
    throw systemFailure(`The folder ${folder} cannot be used`, cause)
  }
}

/**
 * Checks that a file belongs to this user, and tightens its mode.
 *
 * @returns whether the file exists
 */
export const checkPrivateFile = (file: string): boolean => {
  try {
    if (statsOf(file) === null) return false
    if (isOpen(checked(file, "a file"))) chmodSync(file, FILE_MODE)
    return true
  } catch (cause) {
    // Deleted since: SQLite deletes its journal while another start looks at it.
    if (isCode(cause, "ENOENT")) return false
    throw systemFailure(`The file ${file} cannot be used`, cause)
  }
}

/**
 * Creates a file. The caller closes the descriptor.
 *
 * @returns a descriptor for writing; `null` if the name is taken, by a file or a link
 */
export const createPrivateFile = (file: string): number | null => {
  try {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
    // Windows has no O_NOFOLLOW.
    const descriptor = openSync(file, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, FILE_MODE)
    // The umask may have cleared bits of the mode.
    if ((fstatSync(descriptor).mode & 0o777) !== FILE_MODE) ignoreUnsupported(() => fchmodSync(descriptor, FILE_MODE))
    return descriptor
  } catch (cause) {
    if (isCode(cause, "EEXIST")) return null
    throw systemFailure(`The file ${file} cannot be created`, cause)
  }
}

/**
 * Replaces the content of a file durably: after a crash of the process or machine, the file has the old or the new
 * content. A link of this name is replaced, not followed.
 */
export const replacePrivateFile = (file: string, content: string | Uint8Array): void =>
  writeAndRename(file, (descriptor) => writeFileSync(descriptor, content))

/** Calls `write` with a new file of a random name in the same folder, then renames it to `file`. */
export const writeAndRename = (file: string, write: (descriptor: number, temporary: string) => void): void => {
  const temporary = join(dirname(file), `.${randomUUID()}.tmp`)
  const descriptor = createPrivateFile(temporary)
  if (descriptor === null) throw systemFailure(`The file ${file} cannot be written`, new Error("its name is taken"))
  try {
    try {
      write(descriptor, temporary)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, file)
    syncFolder(dirname(file))
  } catch (cause) {
    rmSync(temporary, { force: true })
    throw systemFailure(`The file ${file} cannot be written`, cause)
  }
}

/** Makes the new name durable. Windows neither supports nor requires this. */
const syncFolder = (folder: string): void =>
  ignoreUnsupported(() => {
    const descriptor = openSync(folder, "r")
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  })

/** Returns whether the folder is new. Node's recursive `mkdir` does not terminate below /proc. */
const createFolder = (folder: string): boolean => {
  const missing: Array<string> = []
  for (let at = folder; statsOf(at) === null; at = dirname(at)) missing.unshift(at)
  let isNew = false
  for (const each of missing) {
    try {
      mkdirSync(each, { mode: FOLDER_MODE })
      isNew = true
    } catch (cause) {
      // Another process created it: it is checked as an existing folder.
      if (!isCode(cause, "EEXIST")) throw cause
      isNew = false
      continue
    }
    // The umask may have cleared bits of the mode.
    if ((statSync(each).mode & 0o777) !== FOLDER_MODE) ignoreUnsupported(() => chmodSync(each, FOLDER_MODE))
  }
  return isNew
}

const tighten = (folder: string, { uid }: Stats, isOwn: (name: string) => boolean): string => {
  const entries = readdirSync(folder).filter((name) => name !== "lost+found")
  if (entries.length > 0 && !entries.some(isOwn)) {
    throw refusal(`The folder ${folder} is open to other users of this machine and has other files in it`)
  }
  try {
    chmodSync(folder, FOLDER_MODE)
  } catch (cause) {
    // A file system without modes also refuses the owner.
    if (uid === 0 && process.geteuid?.() !== 0) throw cause
  }
  return isOpen(statSync(folder))
    ? `Other users of this machine may be able to read ${folder}: its file system keeps no permissions.`
    : `The folder ${folder} was open to other users of this machine. Its mode is 700 now: only you can use it.`
}

/** The stats of a path. Fails if it has the wrong kind, or if it or a link in its place belongs to another user. */
const checked = (path: string, kind: "a folder" | "a file"): Stats => {
  const link = lstatSync(path)
  if (link.isSymbolicLink() && !isTrusted(link, dirname(path))) {
    throw refusal(`${path} is a link that ${ownerOf(link)} placed`)
  }
  const stats = link.isSymbolicLink() ? statsOf(path, statSync) : link
  if (stats === null) throw refusal(`${path} is a link that leads nowhere`)
  const isFolder = kind === "a folder"
  if (!(isFolder ? stats.isDirectory() : stats.isFile())) throw refusal(`${path} is not ${kind}`)
  if (!isTrusted(stats, isFolder ? path : dirname(path))) {
    throw refusal(`${path} belongs to ${ownerOf(stats)}, who could read and change the data`)
  }
  return stats
}

const refusal = (why: string) =>
  new ConvexEmbeddedError("InvalidOptions", `${why}. Choose another folder, or make it yours alone (chown, chmod 700).`)

const ownerOf = ({ uid }: Stats): string => `another user (uid ${uid})`

/** `folder`: a folder on the same file system. Root is trusted, as it has access anyway. */
const isTrusted = ({ uid }: Stats, folder: string): boolean => {
  const own = process.geteuid?.()
  return own === undefined || uid === own || uid === 0 || uid === assignedOwner(folder)
}

/** The owner that the file system assigns to a file of this process. */
const assignedOwner = (folder: string): number | null => {
  const probe = join(folder, `.${randomUUID()}.tmp`)
  try {
    const descriptor = createPrivateFile(probe)
    if (descriptor === null) return null
    try {
      return fstatSync(descriptor).uid
    } finally {
      closeSync(descriptor)
      rmSync(probe, { force: true })
    }
  } catch {
    return null
  }
}

/** Windows uses access lists instead of modes. */
const isOpen = ({ mode }: Stats): boolean => process.platform !== "win32" && (mode & OTHERS) !== 0

/** `null` if the path does not exist. */
const statsOf = (path: string, stat: (path: string) => Stats = lstatSync): Stats | null => {
  try {
    return stat(path)
  } catch (cause) {
    if (isCode(cause, "ENOENT")) return null
    throw cause
  }
}

/** File systems without modes refuse to change them. */
const ignoreUnsupported = (change: () => void): void => {
  try {
    change()
  } catch {
    // The file system has one mode for all files.
  }
}

/** The checked-out branch of a git repository, read from its files: no program runs, and a hostile repository cannot block it. */
import { constants } from "node:fs"
import { lstat, open } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"

/** The files that are read are smaller. */
const maxBytes = 1_000

/** The start of a regular file. Links and pipes are refused. */
const readSmall = async (file: string): Promise<string | undefined> => {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      if (!(await handle.stat()).isFile()) return undefined
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxBytes), 0, maxBytes, 0)
      return buffer.toString("utf8", 0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch {
    return undefined
  }
}

/** `.git` of the directory or of the nearest one above it; in a worktree it is a file that names another folder. */
const gitFolder = async (directory: string): Promise<string | undefined> => {
  const git = join(directory, ".git")
  const found = await lstat(git).catch(() => undefined)
  if (found?.isDirectory()) return git
  if (found?.isFile()) {
    const [, path] = /^gitdir: ([^\n]+)/.exec((await readSmall(git)) ?? "") ?? []
    return path === undefined ? undefined : resolve(directory, path)
  }
  const parent = dirname(directory)
  return parent === directory ? undefined : gitFolder(parent)
}

/** Control and bidirectional characters, which the deployment refuses. */
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** The branch, or the first 12 digits of the commit. Null if the directory is in no repository. */
export const branchOf = async (directory: string): Promise<string | null> => {
  const folder = await gitFolder(directory)
  const head = folder === undefined ? "" : ((await readSmall(join(folder, "HEAD"))) ?? "")
  const [, branch, commit] = /^(?:ref: refs\/heads\/([^\n]{1,200})|([0-9a-f]{12})[0-9a-f]*)\n?$/.exec(head) ?? []
  return branch?.replaceAll(unprintable, " ") ?? commit ?? null
}

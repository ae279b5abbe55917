/**
 * Where paths lead. It runs inside OpenCode (see `source.ts`), so it refers to nothing outside of itself.
 */
/* oxlint-disable unicorn/consistent-function-scoping -- a function that refers to nothing outside of itself */
export interface Paths {
  /** The real path of an absolute path whose end need not exist; throws when its links lead in a circle. */
  readonly real: (path: string) => string
  readonly isWithin: (path: string, folder: string) => boolean
}

export function makePaths(): Paths {
  const { lstatSync, readlinkSync, realpathSync } = process.getBuiltinModule("node:fs")
  const path = process.getBuiltinModule("node:path")
  /** As in Linux. */
  const mostLinks = 40

  const linkOf = (at: string) => {
    try {
      return lstatSync(at).isSymbolicLink() ? readlinkSync(at) : undefined
    } catch {
      return undefined
    }
  }

  /** Follows each link, also one that leads to nothing: writing to it creates its target. */
  const followed = (from: string) => {
    let { root: at } = path.parse(from)
    let links = 0
    const ahead = from.slice(at.length).split("/").toReversed()
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      const next = path.resolve(at, name)
      const link = name === "" || name === "." || name === ".." ? undefined : linkOf(next)
      if (link === undefined) {
        at = next
        continue
      }
      if (++links > mostLinks) throw new Error(`${from} has too many symbolic links`)
      if (path.isAbsolute(link)) at = path.parse(link).root
      ahead.push(...link.split("/").toReversed())
    }
    return at
  }

  /** In the spelling of the file system, which may ignore the case of letters. */
  const spelled = (at: string): string => {
    try {
      return realpathSync.native(at)
    } catch {
      const parent = path.dirname(at)
      return parent === at ? at : path.join(spelled(parent), path.basename(at))
    }
  }

  return {
    real: (of) => spelled(followed(path.resolve(of))),
    isWithin: (inner, folder) => {
      const from = path.relative(folder, inner)
      return from === "" || (from !== ".." && !from.startsWith("../") && !path.isAbsolute(from))
    }
  }
}

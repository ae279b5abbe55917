/**
 * Keeps OpenCode itself from reading the project's configuration and from loading its code.
 *
 * `OPENCODE_DISABLE_PROJECT_CONFIG` covers one of the two configuration readers in OpenCode 1.18. The other one, of its next
 * engine, runs in every server: it loads plugins, installs packages and clones Git repositories that a project names. So a script
 * that runs before the program hides the files from it, and refuses to load code from the project.
 */
import { dirname, join } from "node:path"

export interface Barrier {
  readonly root: string
  /** Paths that OpenCode is to find absent. */
  readonly hidden: ReadonlyArray<string>
}

/** OpenCode looks in each folder above the directory too. The `.opencode` of the user's home is the user's. */
export const barrierOf = (root: string, directory: string, home: string | undefined): Barrier => {
  const hidden: Array<string> = []
  for (let folder = directory; ; folder = dirname(folder)) {
    hidden.push(join(folder, "opencode.json"), join(folder, "opencode.jsonc"))
    if (folder !== home) hidden.push(join(folder, ".opencode"))
    if (dirname(folder) === folder) return { root, hidden }
  }
}

/**
 * Runs before the first `import` of `node:fs` anywhere: only then do the program's own imports see the replaced function.
 * Throws, and so ends the server, where they would not.
 */
export const barrierScript = ({ hidden, root }: Barrier): string => `
{
  const fs = import.meta.require("node:fs")
  const { access } = fs
  const hidden = new Set(${JSON.stringify(hidden)})
  fs.access = (path, ...rest) => {
    if (!hidden.has(String(path))) return access(path, ...rest)
    const error = Object.assign(new Error("ENOENT: the project's configuration is not read: " + path), { code: "ENOENT", errno: -2, syscall: "access", path })
    queueMicrotask(() => rest.at(-1)(error))
  }
  if ((await import("node:fs")).access !== fs.access) throw new Error("The project's configuration cannot be hidden from this OpenCode")
  const root = ${JSON.stringify(root)}.replace(/[.*+?^$\{}()|[\\]\\\\]/g, "\\\\$&")
  Bun.plugin({
    name: "opencode-host",
    setup: (build) =>
      build.onLoad({ filter: new RegExp("^" + root + "/") }, ({ path }) => {
        throw new Error("Code of the project is not loaded: " + path)
      })
  })
}
`

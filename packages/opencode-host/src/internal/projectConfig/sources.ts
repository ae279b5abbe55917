/**
 * Where OpenCode 1.18 looks for a project's configuration, measured on the program itself.
 *
 * ```
 * from the directory up to the root:
 *   opencode.json, opencode.jsonc
 *   .opencode/opencode.json(c), agent(s)/ command(s)/ mode(s)/ tool(s)/ plugin(s)/ skill(s)/
 *   .claude/skills/, .agents/skills/
 *   AGENTS.md, or else CLAUDE.md, or else CONTEXT.md
 * ```
 *
 * The root is the nearest folder with a `.git`. OpenCode goes up to `/` where there is none, and so reads files that
 * belong to no project; here the root is the directory itself then.
 */
import { existsSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { filesBelow } from "./readInside.ts"

export interface Sources {
  readonly root: string
  /** From the directory to the root. */
  readonly folders: ReadonlyArray<string>
}

export const sourcesOf = (directory: string): Sources => {
  const up = [directory]
  for (let folder = directory; !existsSync(join(folder, ".git"));) {
    const parent = dirname(folder)
    if (parent === folder) return { root: directory, folders: [directory] }
    up.push(parent)
    folder = parent
  }
  return { root: up.at(-1) ?? directory, folders: up }
}

/** In the order in which OpenCode merges them: later ones win. */
export const configFiles = ({ folders }: Sources): ReadonlyArray<string> => [
  ...folders.toReversed().flatMap((folder) => [join(folder, "opencode.json"), join(folder, "opencode.jsonc")]),
  ...dotFolders({ folders }).flatMap((folder) => [join(folder, "opencode.json"), join(folder, "opencode.jsonc")])
]

export const dotFolders = ({ folders }: Pick<Sources, "folders">): ReadonlyArray<string> =>
  folders.map((folder) => join(folder, ".opencode")).filter((folder) => existsSync(folder))

export const skillFolders = ({ folders }: Sources): ReadonlyArray<string> =>
  folders.flatMap((folder) => [".claude", ".agents"].map((name) => join(folder, name, "skills"))).filter(existsSync)

/** `folder/` and below, in a `.opencode` folder. */
type Role = "agent" | "command" | "mode" | "tool" | "plugin" | "skill"

const roles: ReadonlyArray<readonly [Role, RegExp]> = [
  ["agent", /^agents?\/(.+)\.md$/],
  ["command", /^commands?\/(.+)\.md$/],
  ["mode", /^modes?\/([^/]+)\.md$/],
  ["tool", /^tools?\/([^/]+)\.[jt]s$/],
  ["plugin", /^plugins?\/([^/]+)\.[jt]s$/],
  ["skill", /^skills?\/(?:.+\/)?([^/]+)\/SKILL\.md$/]
]

export interface Part {
  readonly role: Role
  readonly name: string
  readonly path: string
}

/** OpenCode installs packages into the folder. */
export const isInstalled = (name: string) =>
  /(?:^|\/)node_modules$|^(?:bun\.lockb?|package-lock\.json|\.gitignore)$/.test(name)

/** Undefined where there are too many files. */
export const partsOf = (root: string, folder: string): ReadonlyArray<Part> | undefined =>
  filesBelow(root, folder, isInstalled)?.flatMap(({ isLinkedFolder, name, path }) => {
    for (const [role, pattern] of roles) {
      // The content of a linked folder is not inspected, but the link is reported.
      const found = isLinkedFolder && name.startsWith(role) ? name : pattern.exec(name)?.[1]
      if (found !== undefined) return [{ role, name: found, path }]
    }
    return []
  })

/** A path as it is shown: relative to the root. */
export const shown = (root: string, path: string): string => relative(root, path)

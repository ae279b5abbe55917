/**
 * The environment of a server whose project is not trusted: OpenCode reads nothing from the project by itself, and no
 * variable of the user's leads into it.
 */
import { tmpdir } from "node:os"
import { delimiter, isAbsolute, join, resolve } from "node:path"
import type { Ignored } from "./filter.ts"
import { isInside, realPath } from "./readInside.ts"
import { sourcesOf } from "./sources.ts"
import { UnusableProject } from "./survey.ts"

type Environment = Readonly<Record<string, string>>

/** Variables that name OpenCode's configuration. OpenCode takes a relative path from its directory. */
const pointers = ["OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_TUI_CONFIG"]

/** For a server that starts in another folder. */
export const withAbsolutePointers = (environment: Environment, directory: string): Environment => ({
  ...environment,
  ...Object.fromEntries(
    pointers.flatMap((name) => {
      const path = environment[name]
      return path === undefined || path === "" ? [] : [[name, resolve(directory, path)]]
    })
  )
})

export interface SafeEnvironment {
  readonly environment: Environment
  readonly ignored: ReadonlyArray<Ignored>
  /** Folders of the user's own skills, which the switch below turns off together with the project's. */
  readonly skillFolders: ReadonlyArray<string>
}

/** Throws `UnusableProject` where the project holds the user's own configuration of OpenCode. */
export const safeEnvironment = (given: Environment, directory: string): SafeEnvironment => {
  const { root } = sourcesOf(directory)
  const environment: Record<string, string> = { ...given }
  const ignored: Array<Ignored> = []
  const isOurs = (path: string) => {
    const absolute = resolve(directory, path)
    return isInside(root, absolute) || isInside(root, realPath(absolute) ?? absolute)
  }
  for (const name of pointers) {
    const path = environment[name]
    if (path === undefined || path === "" || !isOurs(path)) continue
    delete environment[name]
    ignored.push({ kind: name, file: path, reason: "it leads into the project" })
  }
  if (isOurs(tmpdir())) throw new UnusableProject(tmpdir(), "it holds temporary files of this program")
  for (const path of ownFolders(given)) {
    if (isOurs(path))
      throw new UnusableProject(
        path,
        "it holds OpenCode's own configuration or data, which the project could change then"
      )
  }
  const paths = (environment["PATH"] ?? "").split(delimiter)
  const foreign = paths.filter((path) => isAbsolute(path) && !isOurs(path))
  if (foreign.length < paths.length) {
    environment["PATH"] = foreign.join(delimiter)
    ignored.push({
      kind: "PATH",
      file: paths.filter((path) => !foreign.includes(path)).join(delimiter),
      reason: "it leads into the project"
    })
  }
  return {
    environment: { ...environment, OPENCODE_DISABLE_PROJECT_CONFIG: "1", OPENCODE_DISABLE_EXTERNAL_SKILLS: "1" },
    ignored,
    skillFolders: ownSkills(given)
  }
}

const isOn = (value: string | undefined) => /^(?:1|true)$/i.test(value ?? "")

const ownFolders = (environment: Environment): ReadonlyArray<string> => {
  const home = environment["HOME"] ?? ""
  const below = (variable: string, fallback: string) => {
    const base = environment[variable] ?? (home === "" ? "" : join(home, fallback))
    return base === "" ? [] : [join(base, "opencode")]
  }
  return [
    ...below("XDG_CONFIG_HOME", ".config"),
    ...below("XDG_DATA_HOME", ".local/share"),
    ...below("XDG_STATE_HOME", ".local/state"),
    ...below("XDG_CACHE_HOME", ".cache"),
    ...(home === "" ? [] : [join(home, ".opencode")])
  ]
}

const ownSkills = (environment: Environment): ReadonlyArray<string> => {
  const home = environment["HOME"] ?? ""
  if (home === "" || isOn(environment["OPENCODE_DISABLE_EXTERNAL_SKILLS"])) return []
  const noClaude =
    isOn(environment["OPENCODE_DISABLE_CLAUDE_CODE"]) || isOn(environment["OPENCODE_DISABLE_CLAUDE_CODE_SKILLS"])
  return [...(noClaude ? [] : [".claude"]), ".agents"].map((name) => join(home, name, "skills"))
}

/** Which names of instruction files OpenCode would look for. */
export const usesClaude = (environment: Environment): boolean =>
  !isOn(environment["OPENCODE_DISABLE_CLAUDE_CODE"]) && !isOn(environment["OPENCODE_DISABLE_CLAUDE_CODE_PROMPT"])

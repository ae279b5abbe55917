/** Reads the configuration of a project, and sorts it into what reaches OpenCode and what is ignored. */
import { join } from "node:path"
import { filterAgent, filterCommand, filterConfig, type Ignored, type Kept, makeFilter } from "./filter.ts"
import { parseFrontmatter } from "./frontmatter.ts"
import { parseJsonc } from "./jsonc.ts"
import { readInside } from "./readInside.ts"
import { configFiles, dotFolders, type Part, partsOf, shown, skillFolders, sourcesOf } from "./sources.ts"

/** A file of the project that must be understood and cannot be. A sentence says which one and why. */
export class UnusableProject extends Error {
  readonly file: string
  readonly problem: string
  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`)
    this.file = file
    this.problem = problem
  }
}

export interface Survey {
  readonly root: string
  readonly kept: Kept
  readonly ignored: ReadonlyArray<Ignored>
}

export const instructionNames = ["AGENTS.md", "CLAUDE.md", "CONTEXT.md"]

/** Throws `UnusableProject` for an `opencode.json` that cannot be read: it might name the model to use. */
export const survey = (directory: string): Survey => {
  const sources = sourcesOf(directory)
  const { folders, root } = sources
  const filter = makeFilter(root)
  for (const path of configFiles(sources)) filterConfig(filter, shown(root, path), readConfig(root, path))
  for (const folder of dotFolders(sources)) {
    const parts = partsOf(root, folder)
    const file = shown(root, folder)
    if (parts === undefined) {
      filter.ignored.push({ kind: ".opencode", file, reason: "it is outside the project, or has too many files" })
    }
    for (const part of parts ?? []) filterPart(filter, part)
  }
  for (const folder of skillFolders(sources)) {
    filter.ignored.push({ kind: "skill", file: shown(root, folder), reason: codeReason })
  }
  for (const folder of folders) {
    for (const name of instructionNames) {
      const read = readInside(root, join(folder, name))
      if (read._tag !== "Refused") continue
      filter.ignored.push({ kind: "instructions", file: shown(root, join(folder, name)), reason: read.reason })
    }
  }
  const { default_agent: agent } = filter.kept
  if (agent !== undefined && agent !== "build" && agent !== "plan" && !filter.kept.agent.has(agent)) {
    filter.kept.default_agent = undefined
    filter.ignored.push({
      kind: "default_agent",
      file: "opencode.json",
      name: agent,
      reason: "the project has no such agent"
    })
  }
  return { root, kept: filter.kept, ignored: filter.ignored }
}

const codeReason = "it can run code"

/** Undefined if there is none. */
const readConfig = (root: string, path: string): unknown => {
  const read = readInside(root, path)
  if (read._tag === "Absent") return undefined
  if (read._tag === "Refused") throw new UnusableProject(shown(root, path), read.reason)
  const parsed = parseJsonc(read.text)
  if (parsed._tag === "Invalid") throw new UnusableProject(shown(root, path), parsed.reason)
  return parsed.value
}

const filterPart = (filter: ReturnType<typeof makeFilter>, { name, path, role }: Part): void => {
  const file = shown(filter.root, path)
  const ignore = (reason: string) => filter.ignored.push({ kind: role, file, name, reason })
  if (role === "tool" || role === "plugin" || role === "skill") return void ignore(codeReason)
  const read = readInside(filter.root, path)
  if (read._tag !== "Text") return void ignore(read._tag === "Refused" ? read.reason : "it is a broken link")
  const { body, data } = parseFrontmatter(read.text)
  if (role === "command") filterCommand(filter, file, name, { ...data, template: body })
  else filterAgent(filter, file, name, { ...data, prompt: body, ...(role === "mode" ? { mode: "primary" } : {}) })
}

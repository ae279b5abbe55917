/**
 * An OpenCode plugin that brings in what is kept of a project's configuration. A plugin sees the configuration after
 * OpenCode has replaced `{env:…}` and `{file:…}`, so nothing that it adds is replaced; it can add to lists, where a
 * configuration would replace them; and the user's own agents and commands win.
 *
 * Instruction files are looked up again for each prompt: a file that became a link out of the project is left out.
 *
 * `export const ProjectConfig`, in plain JavaScript, for OpenCode's own runtime (Bun).
 */
import type { Kept } from "./filter.ts"
import { fileLimit } from "./readInside.ts"
import { instructionNames } from "./survey.ts"

export interface PluginOptions {
  readonly root: string
  readonly kept: Kept
  /** Whether `config` or the environment names a model (an agent), which then wins over the project's. */
  readonly ownModel: boolean
  readonly ownAgent: boolean
  readonly skillFolders: ReadonlyArray<string>
  readonly claude: boolean
}

export const projectPlugin = ({ claude, kept, ownAgent, ownModel, root, skillFolders }: PluginOptions): string => {
  const data = {
    ...kept,
    root,
    ownModel,
    ownAgent,
    skillFolders,
    agent: [...kept.agent],
    command: [...kept.command],
    permission: [...kept.permission],
    instructions: [...kept.instructions],
    models: [...kept.models],
    names: instructionNames.filter((name) => claude || name !== "CLAUDE.md"),
    limit: fileLimit
  }
  return `
import { existsSync, realpathSync, statSync } from "node:fs"
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path"

const project = ${JSON.stringify(data)}

const inside = (folder, path) => {
  const way = relative(folder, path)
  return way === "" || (way !== ".." && !way.startsWith(".." + sep) && !isAbsolute(way))
}

/** The real path of a regular file of the project that is not too large. */
const usable = (path) => {
  try {
    const real = realpathSync(path)
    const status = statSync(real)
    return inside(project.root, real) && status.isFile() && status.size <= project.limit ? real : undefined
  } catch {
    return undefined
  }
}

const upFrom = (directory) => {
  const folders = [directory]
  for (let folder = directory; folder !== project.root && dirname(folder) !== folder; ) folders.push((folder = dirname(folder)))
  return folders
}

/** OpenCode takes the last part of an absolute path for a pattern. */
const isLiteral = (path) => !/[*?[\\]{}()!]/.test(path.slice(path.lastIndexOf(sep)))

const instructionFiles = (directory, patterns) => {
  const folders = upFrom(directory)
  const name = project.names.find((name) => folders.some((folder) => existsSync(join(folder, name))))
  const found = name === undefined ? [] : folders.map((folder) => join(folder, name))
  for (const pattern of patterns) {
    for (const cwd of folders) {
      found.push(...new Bun.Glob(pattern).scanSync({ cwd, absolute: true, dot: true, onlyFiles: true, followSymlinks: false }))
      if (!/[*?[{]/.test(pattern)) found.push(join(cwd, pattern))
    }
  }
  return [...new Set(found.map(usable).filter((path) => path !== undefined && isLiteral(path)))]
}

const refuse = (message) => {
  throw new Error(message)
}

export const ProjectConfig = async ({ client, directory }) => {
  let update = () => {}
  return {
    config: async (config) => {
      config.agent ??= {}
      for (const [name, own] of project.agent) config.agent[name] = { ...own, ...config.agent[name] }
      config.command ??= {}
      for (const [name, own] of project.command) config.command[name] ??= own
      if (project.model !== undefined && !project.ownModel) config.model = project.model
      if (project.default_agent !== undefined && !project.ownAgent) config.default_agent = project.default_agent
      if (project.permission.length > 0) {
        const rules = typeof config.permission === "string" ? { "*": config.permission } : { ...config.permission }
        // Of two rules that fit, OpenCode takes the later one.
        for (const name of project.permission) delete rules[name]
        config.permission = { ...rules, ...Object.fromEntries(project.permission.map((name) => [name, "deny"])) }
      }
      const skills = project.skillFolders.filter((folder) => existsSync(folder))
      if (skills.length > 0) config.skills = { ...config.skills, paths: [...(config.skills?.paths ?? []), ...skills] }
      const own = config.instructions ?? []
      // The user's own relative ones are about the project too, and OpenCode no longer looks there.
      const relatives = own.filter((path) => !/^(?:https?:|~)/.test(path) && !isAbsolute(path))
      update = () => {
        config.instructions = [...own, ...instructionFiles(directory, [...relatives, ...project.instructions])]
      }
      update()
    },
    "chat.message": async (_, { message }) => {
      update()
      const name = message.model.providerID + "/" + message.model.modelID
      const named = project.models.find(([model]) => model === name)
      if (named === undefined) return
      const { data } = await client.config.providers()
      // OpenCode has a provider of its own that needs no key: the user did not choose it.
      const isOwn = ({ id, options }) => id === message.model.providerID && options?.apiKey !== "public"
      if (!data?.providers.some(isOwn)) {
        refuse(\`The project's \${named[1]} names the model \${name}, and your own configuration of OpenCode has no provider "\${message.model.providerID}". Add the provider, or name a model of your own with the prompt.\`)
      }
    },
    "tool.execute.before": async ({ tool }, { args }) => {
      if (tool !== "read" || typeof args?.filePath !== "string") return
      // OpenCode adds the instructions of each folder on the way to a file that it reads.
      for (let folder = dirname(resolve(directory, args.filePath)); folder !== directory && inside(directory, folder); folder = dirname(folder)) {
        const file = ["AGENTS.md", "CLAUDE.md", "CONTEXT.md"].map((name) => join(folder, name)).find((path) => existsSync(path))
        if (file !== undefined && usable(file) === undefined) {
          refuse(\`\${relative(directory, file)} is not a regular file of this project, or is larger than \${project.limit / 1024} KiB, so nothing next to it is read. Remove it, or replace it by a file.\`)
        }
      }
    }
  }
}
`
}

/**
 * Decides which parts of a project's configuration have an effect. Pure, apart from looking up the files that a command attaches.
 *
 * It is an allow-list: a key that is not named here is left out and reported, those of later versions of OpenCode too.
 */
import * as Predicate from "effect/Predicate"
import { unknownValue } from "./frontmatter.ts"
import { templateProblem } from "./template.ts"

/** Something of the project that has no effect. `kind` and `name` are the project's text: clean them before they are shown. */
export interface Ignored {
  /** A key of the configuration (`mcp`, `provider`, …), `plugin`, `tool`, `skill`, `agent`, `command`, `instructions`, or an environment variable. */
  readonly kind: string
  /** The file that holds it, relative to the root of the project. */
  readonly file: string
  /** Which one, where there are several of the kind. */
  readonly name?: string
  readonly reason: string
}

type Fields = Record<string, unknown>

/** The configuration that reaches OpenCode. */
export interface Kept {
  model: string | undefined
  default_agent: string | undefined
  readonly agent: Map<string, Fields>
  readonly command: Map<string, Fields>
  /** Denials: permissions that are "deny" as a whole. */
  readonly permission: Set<string>
  /** Relative paths and patterns of files for the model. */
  readonly instructions: Set<string>
  /** Each model that is named, and the file that names it. */
  readonly models: Map<string, string>
}

export interface Filter {
  readonly root: string
  readonly kept: Kept
  readonly ignored: Array<Ignored>
}

export const makeFilter = (root: string): Filter => ({
  root,
  kept: {
    model: undefined,
    default_agent: undefined,
    agent: new Map(),
    command: new Map(),
    permission: new Set(),
    instructions: new Set(),
    models: new Map()
  },
  ignored: []
})

const isFields = (value: unknown): value is Fields => Predicate.isObject(value) && !Array.isArray(value)
/** Without a name that means something to JavaScript, or that a terminal or a URL would change. */
const isName = (name: string) =>
  /^[A-Za-z0-9_][\w ./@+:-]{0,99}$/.test(name) && !/^__|^constructor$|^prototype$/.test(name)
/** OpenCode would replace them by an environment variable or the content of a file. */
const expands = (value: unknown) =>
  /\{(?:env|file):/.test(typeof value === "string" ? value : (JSON.stringify(value) ?? ""))

const noExpansion = "{env:…} and {file:…} of a project are not expanded"
const notAllowed = "it can run code, redirect traffic or widen permissions, or is not known to be harmless"

/** Keys without an effect on a server. */
const inert = new Set(["$schema", "theme", "keybinds", "tui", "username", "autoupdate", "layout", "logLevel"])

/** One `opencode.json`. */
export const filterConfig = (filter: Filter, file: string, config: unknown): void => {
  if (!isFields(config)) return
  const { ignored, kept } = filter
  for (const [key, value] of Object.entries(config)) {
    if (inert.has(key)) continue
    const ignore = (reason = notAllowed, name?: string) => {
      ignored.push({ kind: key, file, reason, ...(name === undefined ? {} : { name }) })
    }
    switch (key) {
      case "model":
        kept.model = modelOf(filter, file, value)
        break
      case "default_agent":
        if (typeof value === "string" && isName(value)) kept.default_agent = value
        else ignore()
        break
      case "instructions":
        for (const entry of Array.isArray(value) ? value : [value]) {
          const problem = instructionProblem(entry)
          if (problem === undefined) kept.instructions.add(String(entry))
          else ignore(problem, String(entry).slice(0, 100))
        }
        break
      case "permission":
      case "tools":
        for (const name of denials(value)) kept.permission.add(name)
        if (grants(value)) ignore("only denials of a whole permission are kept")
        break
      case "agent":
      case "mode":
        for (const [name, agent] of Object.entries(isFields(value) ? value : {})) {
          if (expands(agent)) ignored.push({ kind: "agent", file, name, reason: noExpansion })
          else filterAgent(filter, file, name, key === "mode" ? { ...Object(agent), mode: "primary" } : agent)
        }
        break
      case "command":
        for (const [name, command] of Object.entries(isFields(value) ? value : {})) {
          if (expands(command)) ignored.push({ kind: "command", file, name, reason: noExpansion })
          else filterCommand(filter, file, name, command)
        }
        break
      default:
        ignore()
    }
  }
}

const isNumber = (value: unknown) => typeof value === "number" && Number.isFinite(value)
const isBoolean = (value: unknown) => typeof value === "boolean"
const isText = (value: unknown) => typeof value === "string"

/** Keys that an agent of the project may set. */
const agentFields: Readonly<Record<string, (value: unknown) => boolean>> = {
  description: isText,
  prompt: isText,
  variant: isText,
  mode: (value) => value === "primary" || value === "subagent" || value === "all",
  color: (value) => typeof value === "string" && /^#?\w{1,20}$/.test(value),
  hidden: isBoolean,
  disable: isBoolean,
  temperature: isNumber,
  top_p: isNumber,
  steps: isNumber,
  maxSteps: isNumber
}

export const filterAgent = (filter: Filter, file: string, name: string, given: unknown): void => {
  const ignore = (reason: string) => filter.ignored.push({ kind: "agent", file, name, reason })
  if (!isName(name) || !isFields(given)) return void ignore("its name or its form is not valid")
  const fields: Fields = {}
  const denied = new Set<string>()
  for (const [key, value] of Object.entries(given)) {
    if (key === "name") continue
    if (key === "model") fields["model"] = modelOf(filter, file, value)
    else if (key === "permission" || key === "tools") {
      for (const permission of denials(value)) denied.add(permission)
      if (grants(value)) ignore(`its ${key}: only denials of a whole permission are kept`)
    } else if (Object.hasOwn(agentFields, key) && agentFields[key]?.(value) === true) fields[key] = value
    else ignore(`its ${key.slice(0, 50)}: ${notAllowed}`)
  }
  if (denied.size > 0) fields["permission"] = Object.fromEntries([...denied].map((permission) => [permission, "deny"]))
  filter.kept.agent.set(name, { ...filter.kept.agent.get(name), ...fields })
}

const commandFields: Readonly<Record<string, (value: unknown) => boolean>> = {
  template: isText,
  description: isText,
  agent: isText,
  variant: isText,
  subtask: isBoolean
}

export const filterCommand = (filter: Filter, file: string, name: string, given: unknown): void => {
  const ignore = (reason: string) => filter.ignored.push({ kind: "command", file, name, reason })
  const template = isFields(given) ? given["template"] : undefined
  if (!isName(name) || !isFields(given) || typeof template !== "string") {
    return void ignore("its name or its form is not valid")
  }
  const problem = templateProblem(filter.root, template)
  if (problem !== undefined) return void ignore(problem)
  const fields: Fields = {}
  for (const [key, value] of Object.entries(given)) {
    if (key === "name") continue
    if (key === "model") fields["model"] = modelOf(filter, file, value)
    else if (Object.hasOwn(commandFields, key) && commandFields[key]?.(value) === true) fields[key] = value
    else ignore(`its ${key.slice(0, 50)}: ${notAllowed}`)
  }
  filter.kept.command.set(name, fields)
}

/** Kept whatever it is, so that a prompt fails with this model and does not use another one. */
const modelOf = ({ kept }: Filter, file: string, value: unknown): string => {
  const named = isFields(value) ? `${String(value["providerID"])}/${String(value["model"])}` : String(value)
  const model = named.split("#", 1)[0] ?? named
  kept.models.set(model, file)
  return model
}

const entriesOf = (rules: unknown): ReadonlyArray<[string, unknown]> =>
  typeof rules === "string" ? [["*", rules]] : isFields(rules) ? Object.entries(rules) : []

/** A denial of a whole permission can only narrow. One of a pattern would replace what the user's own configuration says. */
const isDenial = ([name, value]: [string, unknown]) =>
  /^[\w*?.-]{1,100}$/.test(name) && !name.startsWith("__") && (value === "deny" || value === false)
const denials = (rules: unknown) =>
  entriesOf(rules)
    .filter(isDenial)
    .map(([name]) => toolPermission(name))
const grants = (rules: unknown) =>
  rules === unknownValue || rules === true || Array.isArray(rules) || entriesOf(rules).some((entry) => !isDenial(entry))
/** Three tools ask for one permission. */
const toolPermission = (name: string) => (name === "write" || name === "patch" ? "edit" : name)

const instructionProblem = (entry: unknown): string | undefined => {
  if (typeof entry !== "string") return "it is not a path"
  if (/^https?:\/\//i.test(entry)) return "it is read from the network"
  if (expands(entry)) return noExpansion
  if (/^[/~\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)/.test(entry)) return "it is outside the project"
  return undefined
}

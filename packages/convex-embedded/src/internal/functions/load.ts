/** Loads the modules of a `convex/` folder into the thread that runs them. */
import { pathToFileURL } from "node:url"
import type { HttpRouter } from "convex/server"
import type { ValidatorJSON } from "convex/values"
import type { AuthProvider } from "../values/identity.ts"
import type { SchemaJson } from "../storage/catalog.ts"
import { checkCron } from "./cron-schedule.ts"
import { messageOf } from "../values/errors.ts"
import type { ConvexFunction, CronDefinition, Functions } from "./functions.ts"
import { canonicalPath } from "../values/function-path.ts"
import { invalidFunctions, type ModuleList } from "./modules.ts"

/** Defines the app: its components and environment variables. */
const APP = "convex.config"

/** Modules whose exports are configuration, not functions. */
const CONFIGURATION = new Set(["schema", "auth.config", APP])

/** Fails with `InvalidFunctions`. */
export const loadFunctions = async ({ folder, modules: files }: ModuleList): Promise<Functions> => {
  const modules = new Map<string, Module>()
  // The app first: otherwise its missing components would be reported by other modules.
  for (const { file, name, source } of files.toSorted(
    (left, right) => Number(right.name === APP) - Number(left.name === APP)
  )) {
    try {
      modules.set(name, (await import(pathToFileURL(file).href)) as Module)
    } catch (cause) {
      throw invalidFunctions(source, name === APP && usesComponents(cause) ? componentsNotSupported() : cause)
    }
  }
  try {
    const schema = defaultExport(modules, "schema") as { export: () => string } | null
    const auth = defaultExport(modules, "auth.config") as { providers?: ReadonlyArray<AuthProvider> } | null
    const crons = defaultExport(modules, "crons") as { crons: Record<string, CronDefinition> } | null
    const functions = [...modules].flatMap(([name, module]) => registered(name, module))
    const byPath = new Map(functions.map((each) => [each.path, each]))
    return {
      authProviders: auth?.providers ?? [],
      byPath,
      crons: checkedCrons(crons?.crons ?? {}, byPath),
      http: defaultExport(modules, "http") as HttpRouter | null,
      schema: schema === null ? null : (JSON.parse(schema.export()) as SchemaJson)
    }
  } catch (cause) {
    throw invalidFunctions(folder, cause)
  }
}

/** `app.use(component)` fails outside of Convex, because a property that Convex sets on components is missing. */
const usesComponents = (cause: unknown): boolean => messageOf(cause).includes("componentDefinitionPath")

const componentsNotSupported = (): Error =>
  new Error("The app uses components (`app.use`), which are not supported by convex-embedded.")

type Module = { readonly [name: string]: unknown }

const defaultExport = (modules: ReadonlyMap<string, Module>, name: string): unknown =>
  modules.get(name)?.["default"] ?? null

const checkedCrons = (crons: Record<string, CronDefinition>, functions: Functions["byPath"]): Functions["crons"] => {
  for (const [name, definition] of Object.entries(crons)) {
    const kind = functions.get(canonicalPath(definition.name))?.kind
    if (kind === undefined) throw new Error(`The cron job "${name}" runs ${definition.name}, which does not exist.`)
    if (kind === "query") throw new Error(`The cron job "${name}" runs ${definition.name}, which is a query.`)
    checkCron(name, definition)
  }
  return new Map(Object.entries(crons))
}

/** The properties that the `convex` package sets on functions created with `query`, `internalMutation` and so on. */
interface Registered {
  readonly isQuery?: true
  readonly isMutation?: true
  readonly isAction?: true
  readonly isPublic?: true
  readonly invokeQuery: (argumentsJson: string) => Promise<string>
  readonly invokeMutation: (argumentsJson: string) => Promise<string>
  readonly invokeAction: (requestId: string, argumentsJson: string) => Promise<string>
  readonly exportArgs: () => string
  readonly exportReturns: () => string
}

const registered = (module: string, exports: Module): ReadonlyArray<ConvexFunction> => {
  if (CONFIGURATION.has(module)) return []
  return Object.entries(exports).flatMap(([name, value]) => {
    const kind = typeof value === "function" ? kindOf(value as unknown as Registered) : null
    if (kind === null) return []
    const each = value as Registered
    const invoke = {
      action: (json: string) => each.invokeAction("", json),
      mutation: (json: string) => each.invokeMutation(json),
      query: (json: string) => each.invokeQuery(json)
    }[kind]
    return [
      {
        args: JSON.parse(each.exportArgs()) as ValidatorJSON,
        invoke,
        isPublic: each.isPublic === true,
        kind,
        path: `${module}:${name}`,
        returns: JSON.parse(each.exportReturns()) as ValidatorJSON | null
      }
    ]
  })
}

const kindOf = (value: Registered): ConvexFunction["kind"] | null => {
  if (value.isQuery) return "query"
  if (value.isMutation) return "mutation"
  return value.isAction ? "action" : null
}

/** Loads a `convex/` folder: as it is when it is JavaScript, otherwise bundled as Convex bundles it. */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { pathToFileURL } from "node:url"
import type { HttpRouter } from "convex/server"
import type { ValidatorJSON } from "convex/values"
import type { BuildFailure } from "esbuild"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import type { AuthProvider } from "./auth.ts"
import type { SchemaJson } from "./catalog.ts"
import { checkCron } from "./crons.ts"
import { messageOf } from "./errors.ts"
import { canonicalPath, type ConvexFunction, type CronDefinition, type Functions } from "./functions.ts"

const SOURCE = /\.[cm]?[jt]sx?$/
const NEEDS_BUNDLING = /\.([cm]?ts|tsx|jsx)$/
const IGNORED = /\.d\.[cm]?ts$|\.(test|spec)\.[cm]?[jt]sx?$|^\.|\.config\.js$/

/** Modules with a meaning of their own, whose exports are not called by a path. */
const CONFIGURATION = new Set(["schema", "auth.config", "convex.config", "crons", "http"])

export interface LoadOptions {
  readonly folder: string
  /** Where a bundle goes: a folder of this load alone. */
  readonly cacheDir: string
  /** A module that was imported before stays as it was, so JavaScript has to be bundled to be loaded anew. */
  readonly isReload: boolean
}

/** Fails with `FunctionsNotFound` or `InvalidFunctions`. */
export const loadFunctions = async (options: LoadOptions): Promise<Functions> => {
  const { folder } = options
  const modules = await importModules(options)
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
    throw invalid(folder, cause)
  }
}

/** Paths of modules, relative to the folder, with `/` between names. */
const listModules = (folder: string): ReadonlyArray<string> => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new ConvexEmbeddedError("FunctionsNotFound", `The functions folder ${folder} does not exist.`)
  }
  const found = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCE.test(entry.name) && !IGNORED.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter(
      (path) => !path.split("/").some((name) => name === "_generated" || name === "node_modules" || name === "_deps")
    )
  if (found.length === 0) {
    throw new ConvexEmbeddedError(
      "FunctionsNotFound",
      `The functions folder ${folder} has no modules (.ts or .js files).`
    )
  }
  return found.toSorted()
}

type Module = { readonly [name: string]: unknown }

const importModules = async ({ cacheDir, folder, isReload }: LoadOptions): Promise<ReadonlyMap<string, Module>> => {
  const paths = listModules(folder)
  const bundled = isReload || paths.some((path) => NEEDS_BUNDLING.test(path))
  if (bundled) await bundle(folder, paths, cacheDir)
  const modules = new Map<string, Module>()
  for (const path of paths) {
    const name = path.replace(SOURCE, "")
    const file = bundled ? join(cacheDir, `${name}.mjs`) : join(folder, path)
    try {
      modules.set(name, (await import(pathToFileURL(file).href)) as Module)
    } catch (cause) {
      throw invalid(join(folder, path), cause)
    }
  }
  return modules
}

const bundle = async (folder: string, paths: ReadonlyArray<string>, cacheDir: string): Promise<void> => {
  const { build } = await importEsbuild(folder)
  rmSync(cacheDir, { force: true, recursive: true })
  mkdirSync(cacheDir, { recursive: true })
  try {
    await build({
      banner: { js: REQUIRE },
      bundle: true,
      chunkNames: "_deps/[hash]",
      conditions: ["convex", "module"],
      entryPoints: paths.map((path) => join(folder, path)),
      format: "esm",
      logLevel: "silent",
      outExtension: { ".js": ".mjs" },
      outbase: folder,
      outdir: cacheDir,
      platform: "node",
      sourcemap: "linked",
      splitting: true,
      target: "node22"
    })
  } catch (cause) {
    throw invalid(folder, cause)
  }
}

/** Bundled CommonJS packages may still ask for modules of Node. */
const REQUIRE =
  'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);'

const importEsbuild = async (folder: string): Promise<typeof import("esbuild")> => {
  try {
    return await import("esbuild")
  } catch (cause) {
    throw new ConvexEmbeddedError(
      "InvalidFunctions",
      `The functions in ${folder} need esbuild to be bundled: install it (npm install esbuild), or give a folder of JavaScript.`,
      { cause }
    )
  }
}

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

/** What the `convex` package puts on a function that was made with `query`, `internalMutation` and so on. */
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

const invalid = (where: string, cause: unknown): ConvexEmbeddedError => {
  if (cause instanceof ConvexEmbeddedError) return cause
  const errors = (cause as Partial<BuildFailure> | null)?.errors
  const reason =
    errors === undefined
      ? messageOf(cause)
      : errors
          .map(({ location, text }) => (location === null ? text : `${location.file}:${location.line}: ${text}`))
          .join("\n")
  return new ConvexEmbeddedError("InvalidFunctions", `The functions in ${where} cannot be loaded: ${reason}`, { cause })
}

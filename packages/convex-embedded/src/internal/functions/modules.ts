/** Finds the modules of a `convex/` folder. JavaScript that Node can load is used as it is; the rest is bundled as by Convex. */
import { closeSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join, relative, sep } from "node:path"
import type { BuildFailure, OutputFile, Plugin } from "esbuild"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { createPrivateFile, makePrivateFolder } from "../../PrivateFiles.ts"
import { messageOf } from "../values/errors.ts"
import { systemFailure } from "../values/system-failure.ts"

const SOURCE = /\.[cm]?[jt]sx?$/
const NEEDS_BUNDLING = /\.([cm]?ts|tsx|jsx)$/
/** Imports that only a bundler resolves: of a relative path without the extension of a script, or of a stub. */
const BUNDLER_IMPORT = /\b(?:from|import)\s*\(?\s*["'](?:\.\.?\/(?![^"']*\.[cm]?js["'])[^"']*|server-only)["']/
/** At the top of the folder: the only modules with a dot in their names. */
const CONFIGURATION = /^(auth|convex)\.config\.[cm]?[jt]s$/
const COMPONENT = /^(.+\/)convex\.config\.[cm]?[jt]s$/

export interface ModuleOptions {
  readonly folder: string
  /** The folder of the bundle, which no other load uses. */
  readonly cacheDir: string
  /** On a reload JavaScript is bundled, too: an imported file would not be imported again. */
  readonly isReload: boolean
}

/** Modules that a thread can import. */
export interface ModuleList {
  readonly folder: string
  readonly modules: ReadonlyArray<{
    /** Its path without the extension, as in paths of functions. */
    readonly name: string
    readonly file: string
    readonly source: string
  }>
}

/** Fails with `FunctionsNotFound` or `InvalidFunctions`. */
export const findModules = async ({ cacheDir, folder, isReload }: ModuleOptions): Promise<ModuleList> => {
  const paths = listModules(folder)
  const mustBundle = isReload || paths.some((path) => NEEDS_BUNDLING.test(path))
  const bundled = mustBundle || (importsNeedBundler(folder, paths) && (await isEsbuildInstalled(folder)))
  if (bundled) await bundle(folder, paths, cacheDir)
  const modules = paths.map((path) => {
    const name = path.replace(SOURCE, "")
    const source = join(folder, path)
    return { file: bundled ? join(cacheDir, `${name}.mjs`) : source, name, source }
  })
  return { folder, modules }
}

const importsNeedBundler = (folder: string, paths: ReadonlyArray<string>): boolean =>
  paths.some((path) => BUNDLER_IMPORT.test(readFileSync(join(folder, path), "utf8")))

const isEsbuildInstalled = (folder: string): Promise<boolean> =>
  importEsbuild(folder).then(
    () => true,
    () => false
  )

/** Paths of modules, relative to the folder, with `/` between names. */
const listModules = (folder: string): ReadonlyArray<string> => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new ConvexEmbeddedError("FunctionsNotFound", `The functions folder ${folder} does not exist.`)
  }
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
  const components = paths.flatMap((path) => COMPONENT.exec(path)?.[1] ?? [])
  const found = paths.filter((path) => isModule(path) && !components.some((component) => path.startsWith(component)))
  if (found.length === 0) {
    throw new ConvexEmbeddedError(
      "FunctionsNotFound",
      `The functions folder ${folder} has no modules (.ts or .js files).`
    )
  }
  return found.toSorted()
}

/** As Convex: files with more than one dot in the name, or a space in the path, are not modules. */
const isModule = (path: string): boolean => {
  if (CONFIGURATION.test(path)) return true
  const folders = path.split("/")
  const name = folders.pop() ?? ""
  if (folders.some((folder) => folder === "_generated" || folder === "node_modules" || folder === "_deps")) return false
  return SOURCE.test(name) && /^[^.#][^.]*\.[^.]+$/.test(name) && !path.includes(" ")
}

const bundle = async (folder: string, paths: ReadonlyArray<string>, cacheDir: string): Promise<void> => {
  const { build } = await importEsbuild(folder)
  rmSync(cacheDir, { force: true, recursive: true })
  let outputs: ReadonlyArray<OutputFile>
  try {
    const built = await build({
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
      plugins: [SERVER_ONLY],
      sourcemap: "linked",
      splitting: true,
      target: "node24",
      // Files written by esbuild would have the mode of the umask.
      write: false
    })
    outputs = built.outputFiles
  } catch (cause) {
    throw invalidFunctions(folder, cause)
  }
  for (const output of outputs) writeOutput(output)
}

const writeOutput = ({ contents, path }: OutputFile): void => {
  makePrivateFolder(dirname(path), () => true)
  const file = createPrivateFile(path)
  if (file === null) return
  try {
    writeFileSync(file, contents)
  } catch (cause) {
    throw systemFailure(`The file ${path} cannot be written`, cause)
  } finally {
    closeSync(file)
  }
}

/** The package `server-only` throws outside of React; Convex replaces it with an empty module, too. */
const SERVER_ONLY: Plugin = {
  name: "server-only",
  setup: (build) => {
    build.onResolve({ filter: /^server-only$/ }, ({ path }) => ({ namespace: path, path }))
    build.onLoad({ filter: /./, namespace: "server-only" }, () => ({ contents: "" }))
  }
}

/** Bundled CommonJS packages may `require` modules of Node. */
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

export const invalidFunctions = (where: string, cause: unknown): ConvexEmbeddedError => {
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

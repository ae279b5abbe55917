/** Functions folders as JavaScript, which a deployment loads without a bundler: a third of the time of its start. */
import { createHash } from "node:crypto"
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { build } from "esbuild"

const root = join(import.meta.dirname, "../../..")
/** Next to the compiled code that Node keeps, and as that for all packages and runs. */
const cache = join(root, "node_modules/.cache/functions")

/** Of all that is bundled: the sources, which import packages and each other, and the settings below. */
const keyOf = (functions: string, more: Record<string, string>): string => {
  const sources = globSync("**/*.{js,ts}", { cwd: functions }).toSorted()
  const files = [import.meta.filename, join(root, "pnpm-lock.yaml"), ...sources.map((name) => join(functions, name))]
  const hash = createHash("sha256").update(JSON.stringify([functions, sources, more]))
  for (const file of files) hash.update(readFileSync(file)).update("\0")
  return hash.digest("hex").slice(0, 32)
}

/** Returns a folder of the functions, and of `more` modules: their JavaScript by their names. Bundling itself is tested elsewhere. */
export const builtFunctions = async (functions: string, more: Record<string, string> = {}): Promise<string> => {
  const folder = join(cache, keyOf(functions, more))
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const unfinished = mkdtempSync(join(cache, "unfinished-"))
  try {
    await build({
      banner: {
        js: 'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);'
      },
      bundle: true,
      chunkNames: "_deps/[hash]",
      conditions: ["convex", "module"],
      entryPoints: globSync("**/*.ts", { cwd: functions, exclude: ["_generated"] }).map((name) =>
        join(functions, name)
      ),
      format: "esm",
      outExtension: { ".js": ".mjs" },
      outbase: functions,
      outdir: unfinished,
      platform: "node",
      splitting: true,
      target: "node24"
    })
    for (const [name, source] of Object.entries(more)) writeFileSync(join(unfinished, `${name}.mjs`), source)
    renameSync(unfinished, folder)
  } catch (cause) {
    rmSync(unfinished, { force: true, recursive: true })
    // Another process was first.
    if (!existsSync(folder)) throw cause
  }
  return folder
}

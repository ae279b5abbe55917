import { join } from "node:path"
import type { Package } from "../packages.ts"

/** The public entries of a package. `thread` is the code of a worker thread; patterns are for Convex's bundler. */
export const entriesOf = ({ manifest }: Package): ReadonlyArray<string> =>
  Object.keys(manifest.exports ?? {})
    .filter((path) => !/[*]|[.]json$|thread$/.test(path))
    .map((path) => join(manifest.name, path))

/** A program for any runtime that imports its arguments, and prints a JSON object of those that fail, with the reason. */
export const importer = (load: "import" | "require") => `
import { createRequire } from "node:module"
import process from "node:process"
const require = createRequire(import.meta.url)
const failed = {}
for (const entry of process.argv.slice(2)) {
  try {
    const names = Object.keys(${load === "import" ? "await import(entry)" : "require(entry)"})
    if (names.length === 0) failed[entry] = "exports nothing"
  } catch (error) {
    failed[entry] = String(error?.message ?? error).split("\\n")[0]
  }
}
console.log(JSON.stringify(failed))
process.exit()
`

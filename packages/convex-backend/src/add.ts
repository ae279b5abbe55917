import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { FunctionModule } from "./modules.ts"

const name = "@opencode-worker/convex-backend"

/** The first words of each file that belongs to the generator. */
const mark = "// Written by `npx @opencode-worker/convex-backend add`"
const header = `${mark}; run it again after an update.\n`

const reexport = ({ name: module, useNode }: FunctionModule) =>
  `${useNode ? '"use node"\n' : ""}${header}export * from "${name}/functions/${module}"\n`

/** Files that an app may have already: their whole content, and the text that its own file must have otherwise. */
const shared: Readonly<Record<string, { readonly content: string; readonly needs: RegExp; readonly remedy: string }>> =
  {
    "schema.ts": {
      content: `import { defineSchema } from "convex/server"
import { withTables } from "${name}/tables"

export default defineSchema(withTables({}))
`,
      needs: /convex-backend\/tables/,
      remedy: `import { withTables } from "${name}/tables"\nexport default defineSchema(withTables({ /* your tables */ }))`
    },
    "crons.ts": {
      content: `export { default } from "${name}/functions/crons"\n`,
      needs: /convex-backend\/functions\/crons/,
      remedy: `import crons from "${name}/functions/crons" // instead of cronJobs()`
    },
    "http.ts": {
      content: `export { default } from "${name}/functions/http"\n`,
      needs: /convex-backend\/functions\/http/,
      remedy: `import http from "${name}/functions/http" // instead of httpRouter()`
    },
    "auth.config.ts": {
      content: `export { default } from "${name}/functions/auth.config"\n`,
      needs: /convex-backend\/functions\/(?:auth\.config|deviceProvider)/,
      remedy: `import { deviceProvider } from "${name}/functions/deviceProvider"
export default { providers: [deviceProvider, /* yours */] }`
    }
  }

export interface Added {
  /** Files of the app with the names of ours. Nothing is written if there are any. */
  readonly taken: ReadonlyArray<string>
  readonly written: ReadonlyArray<string>
  /** Files of an earlier version, without a module now. */
  readonly removed: ReadonlyArray<string>
  /** Files of the app that need more lines, with those lines. */
  readonly missing: ReadonlyArray<{ readonly file: string; readonly lines: string }>
}

/** Adds the modules to a Convex folder. It never changes a file that it has not written. */
export const add = (folder: string, modules: ReadonlyArray<FunctionModule>): Added => {
  mkdirSync(folder, { recursive: true })
  const read = (file: string) => (existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8") : undefined)
  const isOurs = (file: string) => read(file)?.includes(mark) === true
  const files = new Map(modules.map((module) => [`${module.name}.ts`, reexport(module)]))

  const taken = [...files.keys()].filter((file) => read(file) !== undefined && !isOurs(file))
  if (taken.length > 0) return { taken, written: [], removed: [], missing: [] }

  const absent = Object.entries(shared).filter(([file]) => read(file) === undefined)
  const missing = Object.entries(shared)
    .filter(([file, { needs }]) => read(file) !== undefined && !needs.test(read(file) ?? ""))
    .map(([file, { remedy }]) => ({ file, lines: remedy }))
  const removed = readdirSync(folder).filter((file) => isOurs(file) && !files.has(file))
  for (const file of removed) rmSync(join(folder, file))
  for (const [file, { content }] of absent) files.set(file, content)
  for (const [file, content] of files) writeFileSync(join(folder, file), content)
  return { taken, written: [...files.keys()], removed, missing }
}

/** The end of the build: the modules behind `./functions/*`. The other modules of the functions folder are internal. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { functionModules } from "../src/modules.ts"

const dist = join(import.meta.dirname, "../dist")
mkdirSync(join(dist, "functions"))

const write = (module: string, source: (path: string) => string) => {
  writeFileSync(join(dist, "functions", `${module}.js`), source(`../convex/${module}.js`))
  writeFileSync(join(dist, "functions", `${module}.d.ts`), source(`../types/convex/${module}.js`))
}

const modules = await functionModules(join(dist, "convex"))
for (const name of [...modules.map((module) => module.name), "deviceProvider", "protocol"])
  write(name, (path) => `export * from "${path}"\n`)
for (const name of ["crons", "http", "auth.config"]) write(name, (path) => `export { default } from "${path}"\n`)

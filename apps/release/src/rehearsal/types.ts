/** Compiles imports of every entry, and the README's examples, with each TypeScript and each way to resolve modules. */
import { join } from "node:path"
import { entriesOf } from "./entries.ts"
import type { Installed } from "./installs.ts"
import type { Project } from "./project.ts"

const options = { strict: true, skipLibCheck: false, noEmit: true, target: "ESNext", types: ["node"] }
const resolutions = {
  NodeNext: { module: "NodeNext", moduleResolution: "NodeNext" },
  Bundler: { module: "ESNext", moduleResolution: "Bundler" }
}

export async function* types(project: Project, { packages, runtimes }: Installed): AsyncGenerator<string> {
  const entries = packages.flatMap(entriesOf)
  const imports = entries.map((entry, i) => `import * as e${i} from "${entry}"`)
  const uses = entries.map((_, i) => `e${i}`).join(", ")
  project.write("entries.ts", [...imports, `console.log(${uses})`].join("\n"))
  for (const [name, resolution] of Object.entries(resolutions)) {
    const compilerOptions = { ...options, ...resolution, allowImportingTsExtensions: true }
    const include = ["entries.ts", "examples/**/*.ts"]
    project.write(`tsconfig.${name}.json`, JSON.stringify({ compilerOptions, include }))
    for (const typescript of ["typescript5", "typescript7"] as const) {
      await project.run("node", join(runtimes.bin(typescript), "tsc"), "-p", `tsconfig.${name}.json`)
      yield `TypeScript ${runtimes.version(typescript)}, ${name}, strict, skipLibCheck: false`
    }
  }
}

/** Runs the TypeScript examples of every README, unchanged, in the project that installed the packages. */
import { cpSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { command, type Package } from "../packages.ts"
import type { Project } from "./project.ts"

/** What each example prints, in their order in the README. The examples are the blocks that begin with an import. */
const expected: Readonly<Record<string, ReadonlyArray<RegExp>>> = {
  "@opencode-worker/client": [/completed/, /^$/, /completed/],
  "@opencode-worker/convex-embedded": [/\[\]/, /serving at http/],
  "@opencode-worker/effect-convex": [/messages: hi/, /messages: .*hi/],
  "@opencode-worker/model-cache": [/Claude 5/, /Claude 5/, /USD/, /0 models/],
  "@opencode-worker/opencode-host": [/completed/, /completed/, /file notes.md/],
  "@opencode-worker/session-pool": [/3 opens/, /3 opens/],
  "@opencode-worker/testkit": [/hello from the disk/, /Answer 1 to Hello/, /the network is down/],
  "@opencode-worker/worker-fsm": [/./, /./, /exit code/, /./],
  "opencode-worker": [/Ready/]
}

export interface Example {
  readonly package: string
  /** Path in the project. */
  readonly file: string
  readonly prints: RegExp
}

/** Writes the examples to the project, each package's in a folder of its own. */
export const writeExamples = (project: Project, packages: ReadonlyArray<Package>): ReadonlyArray<Example> => {
  const examples = packages.flatMap(({ folder, manifest: { name } }) => {
    const text = readFileSync(join(folder, "README.md"), "utf8")
    const blocks = [...text.matchAll(/^```ts\n(import [^]*?)^```$/gm)].map(([, code = ""]) => code)
    const patterns = expected[name] ?? []
    if (blocks.length !== patterns.length)
      throw new Error(`${name}: the README has ${blocks.length} examples, and ${patterns.length} are expected`)
    return blocks.map((code, i): Example => {
      const file = join("examples", name, `${i + 1}.ts`)
      project.write(file, code)
      return { package: name, file, prints: patterns[i] ?? /^/ }
    })
  })
  const shipped = (name: string, path: string) =>
    cpSync(join(project.folder, "node_modules", name, "examples", path), join(project.folder, "examples", name, path), {
      recursive: true
    })
  for (const path of ["api.ts", "convex"]) shipped("@opencode-worker/effect-convex", path)
  shipped("@opencode-worker/convex-embedded", "convex")
  // The two names that an example takes from the text around it.
  project.write("examples/globals.d.ts", "declare var url: string\ndeclare var code: string\n")
  // The worker of the command's library last: it stops, and the client's examples use the first worker of the list.
  return examples.toSorted((a, b) => Number(a.package === command) - Number(b.package === command))
}

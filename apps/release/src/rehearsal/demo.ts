/** The command, as a stranger runs it first: `npx`, an empty home, an empty folder. */
import type { Installed } from "./installs.ts"
import { makeProject } from "./project.ts"

export async function* demo({ place, runtimes }: Installed): AsyncGenerator<string> {
  for (const node of ["node24", "node26"] as const) {
    const project = makeProject(place, `demo-${node}`, [runtimes.bin(node)])
    const output = await project.run("npx", "--yes", "opencode-worker", "dev", "--demo", "--sample-prompt")
    const summary = /^.*(?:Ready|ready).*$/m.exec(output)?.[0]
    if (summary === undefined) throw new Error(`The demo printed no summary:\n${output}`)
    yield `npx opencode-worker dev --demo, Node.js ${runtimes.version(node)}: ${summary.trim()}`
  }
}

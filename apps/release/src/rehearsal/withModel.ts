import { join } from "node:path"
import type { Project } from "./project.ts"

const source = `import { spawn } from "node:child_process"
import { once } from "node:events"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
await using provider = await scriptedProvider(() => Reply.text("Hello from the model."))
await using home = await openCodeHome({ config: provider.config, files: { "notes.md": "# Notes" } })
const child = spawn(process.execPath, process.argv.slice(2), { cwd: home.directory, env: home.environment, stdio: "inherit" })
process.exitCode = (await once(child, "close"))[0]
`

/** Writes a module that runs another one, its argument, in a home with a model that answers. Returns its path. */
export const writeWithModel = (project: Project): string => {
  project.write("with-model.mjs", source)
  return join(project.folder, "with-model.mjs")
}

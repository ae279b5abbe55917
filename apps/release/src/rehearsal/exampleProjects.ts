/** Installs each project of `examples/`, and runs those that need no worker. */
import { spawn } from "node:child_process"
import { cpSync } from "node:fs"
import { join } from "node:path"
import type { Installed } from "./installs.ts"
import { freePort, stop, written } from "./process.ts"
import { makeProject, type Project } from "./project.ts"
import { writeWithModel } from "./withModel.ts"

const served = async (project: Project): Promise<string> => {
  await project.run("npm", "run", "add")
  const port = await freePort()
  const bin = join(project.folder, "node_modules/.bin/convex-embedded")
  const args = [bin, "serve", "./convex", "--data", "./data", "--port", String(port)]
  const server = spawn("node", args, { cwd: project.folder, env: project.env })
  try {
    await written(server, new RegExp(String(port)))
    const response = await fetch(`http://127.0.0.1:${port}/api/query`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ path: "notes:list", args: {}, format: "json" })
    })
    return await response.text()
  } finally {
    await stop(server)
  }
}

/** `npm`: the project that has all packages. */
export async function* exampleProjects(
  root: string,
  npm: Project,
  { place, runtimes }: Installed
): AsyncGenerator<string> {
  const withModel = writeWithModel(npm)
  const runs: Readonly<Record<string, (project: Project) => Promise<string>>> = {
    "convex-app": served,
    "effect-agent": (project) => project.run("node", withModel, join(project.folder, "agent.ts")),
    fleet: async () => "installed",
    "plain-agent": (project) => project.run("node", withModel, join(project.folder, "agent.ts"))
  }
  for (const [name, start] of Object.entries(runs)) {
    const project = makeProject(place, `example-${name}`, [runtimes.bin("node24")])
    cpSync(join(root, "examples", name), project.folder, { recursive: true })
    await project.run("npm", "install")
    const printed = (await start(project)).trim()
    yield `example ${name}: ${printed.split("\n").at(-1)}`
  }
}

/** Runs the examples of the READMEs: each with what it needs around it, as its README describes. */
import { spawn } from "node:child_process"
import { dirname, join } from "node:path"
import { freePort, run, stop, written } from "./process.ts"
import type { Project } from "./project.ts"
import type { Example } from "./readme.ts"
import { writeWithModel } from "./withModel.ts"

/** Signs in as a device, and prints a token of it. */
const token = `import { claimDevice, createDeviceKey, deviceAuth } from "@opencode-worker/client"
const [url, code] = process.argv.slice(2)
const key = await createDeviceKey()
const { deviceId } = await claimDevice({ url, code, key })
console.log(await deviceAuth({ url, device: { deviceId, privateKey: key.privateKey } })())
`

/** A program of the project that runs until it is disposed. */
const background = (project: Project, cwd: string, args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}) => {
  const child = spawn("node", args, { cwd, env: { ...project.env, ...env } })
  return { child, [Symbol.asyncDispose]: () => stop(child) }
}

export async function* runExamples(project: Project, examples: ReadonlyArray<Example>): AsyncGenerator<string> {
  const bin = (name: string) => join(project.folder, "node_modules/.bin", name)
  const command = async (...args: ReadonlyArray<string>) =>
    (await project.run("node", bin("opencode-worker"), ...args)).trim()

  const port = String(await freePort())
  await using dev = background(project, project.folder, [bin("opencode-worker"), "dev", "--demo", "--port", port])
  await written(dev.child, /deployment .*\n/)
  const url = `http://127.0.0.1:${port}`
  project.write("token.mjs", token)
  const withModel = writeWithModel(project)

  const effectConvexPort = String(await freePort())
  const effectConvex = join(project.folder, "examples/@opencode-worker/effect-convex")
  const serve = [bin("convex-embedded"), "serve", "./convex", "--data", "./data", "--port", effectConvexPort]
  await using served = background(project, effectConvex, serve)
  await written(served.child, new RegExp(effectConvexPort))

  /** Runs an example, in its own folder. */
  const runIn = (example: Example, env: NodeJS.ProcessEnv, ...before: ReadonlyArray<string>) => {
    const cwd = join(project.folder, dirname(example.file))
    return run("node", [...before, join(project.folder, example.file)], { cwd, env: { ...project.env, ...env } })
  }

  /** The worker of the library: approves it, waits until it is ready, and ends it. */
  const worker = async (example: Example) => {
    const cwd = join(project.folder, dirname(example.file))
    await using started = background(project, cwd, [join(project.folder, example.file)], { CONVEX_URL: url })
    const ready = written(started.child, /^Ready$/m)
    const [, code = ""] = await Promise.race([written(started.child, /Pairing code: (\S+)/), ready])
    await command("approve", code, "--demo", "--yes")
    return (await ready)[0]
  }

  const output = async (example: Example): Promise<string> => {
    switch (example.package) {
      case "@opencode-worker/client": {
        const code = await command("devices", "add", example.file.replaceAll(/\W/g, ""), "--demo")
        if (example.file.endsWith("2.ts")) {
          project.write("globals.mjs", `Object.assign(globalThis, ${JSON.stringify({ url, code })})`)
          return runIn(example, {}, "--import", join(project.folder, "globals.mjs"))
        }
        const OPENCODE_WORKER_TOKEN = (await project.run("node", "token.mjs", url, code)).trim()
        return runIn(example, { OPENCODE_WORKER_URL: url, OPENCODE_WORKER_TOKEN })
      }
      case "@opencode-worker/effect-convex":
        return runIn(example, { CONVEX_URL: `http://127.0.0.1:${effectConvexPort}` })
      case "@opencode-worker/opencode-host":
        return runIn(example, {}, withModel)
      case "@opencode-worker/testkit":
        return runIn(example, { OPENCODE_BIN: join(project.folder, "node_modules/opencode-linux-x64/bin/opencode") })
      case "opencode-worker":
        return worker(example)
      default:
        return runIn(example, {})
    }
  }

  for (const example of examples) {
    const printed = await output(example)
    if (!example.prints.test(printed)) throw new Error(`${example.file} printed:\n${printed}`)
    yield `README example ${example.file}: ${printed.trim().split("\n").at(-1) ?? ""}`
  }
}

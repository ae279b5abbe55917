/** The projects of `examples/`, with the packages of the workspace in place of installed ones. */
import { execFile } from "node:child_process"
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { openCodeHome, Reply, scriptedProvider } from "@opencode-worker/testkit"
import { ConvexHttpClient } from "convex/browser"
import { makeFunctionReference } from "convex/server"
import { assert, beforeAll, describe, it, onTestFinished } from "vitest"

const root = join(import.meta.dirname, "../../..")
const run = promisify(execFile)
const source = "--conditions=@opencode-worker/source"
let projects: string

// A copy next to the dependencies of the command, which are all packages.
beforeAll(() => {
  projects = mkdtempSync(join(tmpdir(), "examples-"))
  cpSync(join(root, "examples"), projects, { recursive: true })
  symlinkSync(join(root, "apps/worker/node_modules"), join(projects, "node_modules"))
  return () => rmSync(projects, { recursive: true })
})

const manifest = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))

/** Runs an agent in a home whose model asks for a shell command, and then answers. */
const ask = async (agent: string) => {
  await using provider = await scriptedProvider(({ toolResults }) =>
    toolResults.length === 0
      ? Reply.toolCall("bash", { command: "ls", description: "lists" })
      : Reply.text("Hello from the model.")
  )
  await using home = await openCodeHome({ config: { ...provider.config, snapshot: false } })
  const { OPENCODE_BIN } = process.env
  const env = { ...home.environment, ...(OPENCODE_BIN !== undefined && { OPENCODE_BIN }) }
  const running = run(process.execPath, [source, join(projects, agent)], { cwd: home.directory, env })
  running.child.stderr?.on("data", (text) => {
    if (String(text).includes("Allow")) running.child.stdin?.end("y\n")
  })
  return (await running).stdout
}

// `pnpm test:full` runs all. The compiler takes 6 CPU seconds, each agent starts an OpenCode.
const isFull = process.env["TEST_FULL"] !== undefined

describe("the examples", { timeout: 300_000 }, () => {
  it("depend on ranges that contain the packages of this repository, once they are released", () => {
    const versions = new Map(
      [
        ...readdirSync(join(root, "packages"), { withFileTypes: true }).map(({ name }) => `packages/${name}`),
        "apps/worker"
      ]
        .map((folder) => manifest(join(root, folder)))
        .map(({ name, version }): [string, string] => [name, version])
    )
    for (const name of readdirSync(projects)) {
      if (!existsSync(join(projects, name, "package.json")) || name === "node_modules") continue
      for (const [dependency, range] of Object.entries(manifest(join(projects, name)).dependencies)) {
        const version = versions.get(dependency)
        if (version === undefined || version === "0.0.0") continue
        assert.strictEqual(range, `^${version.replace(/\d+$/, "0")}`, `${name}: ${dependency}`)
      }
    }
  })

  it.runIf(isFull)("compile", async () => {
    const compilerOptions = {
      allowImportingTsExtensions: true,
      customConditions: ["@opencode-worker/source"],
      module: "NodeNext",
      noEmit: true,
      skipLibCheck: true,
      strict: true,
      target: "ESNext",
      types: ["node"]
    }
    writeFileSync(join(projects, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*/**/*.ts"] }))
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", projects]).catch((error) =>
      assert.fail(error.stdout)
    )
  })

  it("plain-agent asks before a tool call, and prints the answer", async () => {
    const output = await ask("plain-agent/agent.ts")
    assert.match(output, /Hello from the model\.\ncompleted, \d+ tokens\n$/)
  })

  it.runIf(isFull)("effect-agent answers all questions", async () => {
    const answers = (await ask("effect-agent/agent.ts")).match(/Hello from the model\./g)
    assert.lengthOf(answers ?? [], 3)
  })

  it("convex-app serves its own functions over its tables and those of opencode-worker", async () => {
    const app = join(projects, "convex-app")
    const { stdout } = await run(process.execPath, [join(root, "packages/convex-backend/dist/src/cli.js"), "add"], {
      cwd: app
    })
    assert.match(stdout, /^Wrote \d+ files to convex\.\n$/)
    const dataDir = mkdtempSync(join(tmpdir(), "convex-app-"))
    onTestFinished(() => rmSync(dataDir, { recursive: true }))
    await using deployment = await ConvexEmbedded.make({ dataDir, functions: join(app, "convex") })
    const client = new ConvexHttpClient(deployment.url, { logger: false })
    const list = makeFunctionReference<"query">("notes:list")
    assert.deepStrictEqual(await client.query(list, {}), [])
    const workers = makeFunctionReference<"query">("workers:list")
    await client.query(workers, {}).then(
      () => assert.fail("signed in"),
      (error) => assert.match(String(error), /sign in/)
    )
  })
})

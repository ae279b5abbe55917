/** Inside of another app: its tables next to ours, our modules re-exported under its names. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexHttpClient } from "convex/browser"
import { makeFunctionReference } from "convex/server"
import { assert, it, onTestFinished } from "vitest"
import { api } from "../src/api.ts"
import { functionsDir } from "../src/index.ts"
import { sha256 } from "./support/deployment.ts"
import { publicFunctions } from "./support/functions.ts"

const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8")
/** The modules that the README re-exports. */
const named = new Set(readme.match(/^\/\/ .*\.ts.*$/gm)?.flatMap((line) => line.match(/\b[\w.]+(?=\.ts)/g) ?? []))

it("the README names every module with functions, and the crons", async () => {
  const modules = readdirSync(functionsDir).filter((name) => name.endsWith(".ts"))
  const withFunctions = modules.filter((name) =>
    /= (?:operator|approver|reader|worker|anonymous|internal|unleasedWorker)(?:Mutation|Query|Action)\(/.test(
      readFileSync(join(functionsDir, name), "utf8")
    )
  )
  assert.isAbove(withFunctions.length, 10)
  assert.sameMembers(
    [...named],
    [...withFunctions.map((name) => basename(name, ".ts")), "schema", "crons", "http", "auth.config"]
  )
  assert.includeMembers(
    [...named],
    (await publicFunctions()).map(({ path }) => path.split(":")[0] ?? "")
  )
})

it("works with scheduled functions and the app's own functions", async () => {
  // Inside the package, so that the app finds what it imports.
  const app = mkdtempSync(join(import.meta.dirname, "app-"))
  const dataDir = mkdtempSync(join(tmpdir(), "spread-"))
  onTestFinished(() => {
    for (const folder of [app, dataDir]) rmSync(folder, { recursive: true })
  })
  const convex = join(app, "convex")
  mkdirSync(convex)
  const write = (name: string, source: string) => writeFileSync(join(convex, name), source)
  for (const name of named) write(`${name}.ts`, `export * from "../../../convex/${name}.ts"`)
  for (const name of ["crons", "http", "auth.config"]) {
    write(`${name}.ts`, `export { default } from "../../../convex/${name}.ts"`)
  }
  write(
    "schema.ts",
    `import { defineSchema, defineTable } from "convex/server"
     import { tables } from "../../../convex/tables.ts"
     export default defineSchema({ ...tables, mine: defineTable({}) })`
  )
  write(
    "mine.ts",
    `import { queryGeneric } from "convex/server"
     export const count = queryGeneric(async (ctx) => (await ctx.db.query("mine").take(1)).length)`
  )
  await using deployment = await ConvexEmbedded.make({ functions: convex, dataDir })
  const client = new ConvexHttpClient(deployment.url, { logger: false })
  const { pairingId } = await client.mutation(api.pairing.begin, {
    machine: "m",
    directory: "/d",
    secretHash: sha256("s")
  })
  assert.deepNestedInclude(await client.query(api.pairing.status, { pairingId, secret: "s" }), { status: "pending" })
  assert.strictEqual(await client.query(makeFunctionReference<"query">("mine:count"), {}), 0)
})

/** Inside of another app: its tables next to ours, our modules re-exported by `add`. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { ConvexHttpClient } from "convex/browser"
import { defineTable, makeFunctionReference } from "convex/server"
import { v } from "convex/values"
import { assert, describe, it, onTestFinished } from "vitest"
import { tables, withTables } from "../convex/tables.ts"
import { add } from "../src/add.ts"
import { api } from "../src/api.ts"
import { functionsDir } from "../src/index.ts"
import { functionModules } from "../src/modules.ts"
import { sha256 } from "./support/deployment.ts"
import { publicFunctions } from "./support/functions.ts"

const modules = await functionModules(functionsDir)

/** A Convex folder inside the package, so that it finds its imports. */
const appFolder = () => {
  const app = mkdtempSync(join(import.meta.dirname, "app-"))
  onTestFinished(() => rmSync(app, { recursive: true }))
  const convex = join(app, "convex")
  mkdirSync(convex)
  return {
    convex,
    read: (name: string) => readFileSync(join(convex, name), "utf8"),
    write: (name: string, source: string) => writeFileSync(join(convex, name), source)
  }
}

describe("add", () => {
  it("finds every module with public functions, and those with internal ones", async () => {
    const names = modules.map(({ name }) => name)
    assert.includeMembers(
      names,
      (await publicFunctions()).map(({ path }) => path.split(":")[0] ?? "")
    )
    assert.includeMembers(names, ["maintenance", "purge", "pushDelivery"])
    assert.notIncludeMembers(names, ["authorize", "limits", "builders", "schema"])
    assert.deepStrictEqual(
      modules.filter(({ useNode }) => useNode).map(({ name }) => name),
      ["pushDelivery"]
    )
  })

  it("makes an app that works with scheduled functions and the app's own functions", async () => {
    const { convex, read, write } = appFolder()
    write(
      "mine.ts",
      `import { queryGeneric } from "convex/server"
       export const count = queryGeneric(async (ctx) => (await ctx.db.query("mine").take(1)).length)`
    )
    const { missing, removed, taken, written } = add(convex, modules)
    assert.deepStrictEqual([missing, removed, taken], [[], [], []])
    assert.strictEqual(written.length, modules.length + 4)
    assert.match(read("pushDelivery.ts"), /^"use node"\n/)
    write("schema.ts", read("schema.ts").replace("withTables({})", "withTables({ mine: defineTable({}) })"))
    write("schema.ts", read("schema.ts").replace("defineSchema }", "defineSchema, defineTable }"))
    // The published package has these modules built.
    for (const name of readdirSync(convex))
      write(
        name,
        read(name).replace(/"@opencode-worker\/convex-backend\/(?:functions\/)?([\w.]+)"/, '"../../../convex/$1.ts"')
      )

    const dataDir = mkdtempSync(join(tmpdir(), "spread-"))
    onTestFinished(() => rmSync(dataDir, { recursive: true }))
    await using deployment = await ConvexEmbedded.make({ functions: convex, dataDir })
    const client = new ConvexHttpClient(deployment.url, { logger: false })
    const { pairingId } = await client.mutation(api.pairing.begin, {
      machine: "m",
      directory: "/d",
      secretHash: sha256("s")
    })
    const status = await client.query(api.pairing.status, { pairingId, secret: "s" })
    assert.deepNestedInclude(status, { status: "pending" })
    assert.strictEqual(await client.query(makeFunctionReference<"query">("mine:count"), {}), 0)
  })

  it("writes nothing if the app has a module with one of the names", () => {
    const { convex, read, write } = appFolder()
    write("files.ts", "export const mine = 1\n")
    assert.deepStrictEqual(add(convex, modules).taken, ["files.ts"])
    assert.deepStrictEqual(readdirSync(convex), ["files.ts"])
    assert.strictEqual(read("files.ts"), "export const mine = 1\n")
  })

  it("keeps the app's schema, crons and routes, and returns the lines that they need", () => {
    const { convex, read, write } = appFolder()
    const own = "export default 1\n"
    for (const name of ["schema.ts", "crons.ts"]) write(name, own)
    write("http.ts", `import http from "@opencode-worker/convex-backend/functions/http"\nexport default http\n`)
    const { missing, written } = add(convex, modules)
    assert.deepStrictEqual(
      missing.map(({ file }) => file),
      ["schema.ts", "crons.ts"]
    )
    assert.include(missing[0]?.lines, "withTables")
    assert.notIncludeMembers([...written], ["schema.ts", "crons.ts", "http.ts"])
    assert.strictEqual(read("schema.ts"), own)
  })

  it("updates its own files when it runs again, and removes those without a module", () => {
    const { convex, read } = appFolder()
    add(convex, [...modules, { name: "old", useNode: false }])
    const before = read("turns.ts")
    const { missing, removed, taken } = add(convex, modules)
    assert.deepStrictEqual([missing, removed, taken], [[], ["old.ts"], []])
    assert.isFalse(existsSync(join(convex, "old.ts")))
    assert.strictEqual(read("turns.ts"), before)
  })
})

describe("withTables", () => {
  const notes = defineTable({ text: v.string() })

  it("joins the tables of the app and these", () => {
    assert.hasAllKeys(withTables({ notes }), [...Object.keys(tables), "notes"])
  })

  it("rejects a table with the name of one of these, in types and at the push", () => {
    // @ts-expect-error -- `sessions` is a table of opencode-worker
    assert.throws(() => withTables({ sessions: notes }), /rename yours: sessions/)
  })
})

import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { anyApi } from "convex/server"
import { assert, describe, it } from "vitest"
import { ConvexEmbeddedError } from "../src/index.ts"
import { connectHttp, deploy } from "./deployment.ts"
import { project } from "./project.ts"

const messageOf = (call: Promise<unknown>) =>
  call.then(
    () => "",
    (cause: Error) => cause.message
  )

const SCHEMA = (definition: string) => `
  import { defineSchema, defineTable } from "convex/server"
  import { v } from "convex/values"
  export default defineSchema({ things: defineTable({ name: v.string(), other: v.string() })${definition} })
`
const SEARCH = '.searchIndex("find", { searchField: "name", filterFields: ["other"] })'
const FUNCTIONS = `
  import { mutation, query } from "./_generated/server"
  export const write = mutation((ctx, thing: { name: string; other: string }) => ctx.db.insert("things", thing))
  export const find = query(async (ctx, { field, text }: { field: string; text: string }) =>
    (await ctx.db.query("things").withSearchIndex("find", (q) => q.search(field, text)).collect()).map(({ name }) => name))
`

const many = (count: number, of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join("")

describe("search indexes", () => {
  it("are created, changed and deleted with the schema", async () => {
    const functions = project({ "f.ts": FUNCTIONS, "schema.ts": SCHEMA("") })
    const deployment = await deploy({ functions })
    const client = connectHttp(deployment)
    const [write, find] = [anyApi["f"]!["write"]!, anyApi["f"]!["find"]!]
    const change = (definition: string) => {
      writeFileSync(join(functions, "schema.ts"), SCHEMA(definition))
      return deployment.reload()
    }
    const missing = () => messageOf(client.query(find, { field: "name", text: "word" }))
    await client.mutation(write, { name: "word", other: "else" })
    assert.include(await missing(), "Index things.find not found")
    await change(SEARCH)
    assert.deepEqual(await client.query(find, { field: "name", text: "word" }), ["word"])
    await client.mutation(write, { name: "word two", other: "else" })
    await change(SEARCH.replace('"name"', '"other"').replace('["other"]', '["name"]'))
    assert.deepEqual(await client.query(find, { field: "other", text: "else" }), ["word two", "word"])
    await change('.index("find", ["name"])')
    assert.include(await missing(), "Index things.find not found")
    await client.mutation(write, { name: "word three", other: "else" })
    await change(SEARCH)
    assert.deepEqual(await client.query(find, { field: "name", text: "three" }), ["word three"])
    await change(SEARCH.replace(" }", ", staged: true }"))
    assert.include(await missing(), "Index things.find not found")
  })

  it("that Convex does not allow are rejected by name, without effect", async () => {
    const functions = project({ "f.ts": FUNCTIONS, "schema.ts": SCHEMA(SEARCH) })
    const deployment = await deploy({ functions })
    const refused: Record<string, string> = {
      [SEARCH + '.index("find", ["name"])']: 'has two indexes named "find"',
      [many(5, (i) => SEARCH.replace("find", `find_${i}`))]: "has more than 4 search indexes",
      [many(33, (i) => `.index("by_${i}", ["name"])`)]: "has more than 32 indexes",
      [`.index("by_many", [${many(17, (i) => `"f${i}",`)}] as never)`]:
        'has more than 16 fields in the index "by_many"',
      '.index("by_name", ["name", "name"])': 'has a field twice in the index "by_name"',
      '.index("by_time", ["_creationTime"] as never)': 'has the system field _creationTime in the index "by_time"',
      [SEARCH.replace("find", "2nd")]: 'has an index named "2nd"',
      '.index("by_none", ["none"] as never)': 'has the field none in the index "by_none", but not in its documents',
      '.index("by_part", ["name.part"] as never)': 'has the field name.part in the index "by_part", but not in its',
      [SEARCH.replace('"other"', '"none"')]: 'has the field none in the index "find", but not in its documents',
      [SEARCH.replace('"name"', '"none"')]: 'has the field none in the index "find", but not in its documents'
    }
    for (const [definition, why] of Object.entries(refused)) {
      writeFileSync(join(functions, "schema.ts"), SCHEMA(definition))
      const cause = await deployment.reload().catch((error: unknown) => error)
      assert.instanceOf(cause, ConvexEmbeddedError)
      assert.equal(cause.code, "InvalidFunctions")
      assert.include(cause.message, `table "things" ${why}`)
    }
    assert.deepEqual(await connectHttp(deployment).query(anyApi["f"]!["find"]!, { field: "name", text: "x" }), [])
  })
})

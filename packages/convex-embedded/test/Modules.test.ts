import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { anyApi } from "convex/server"
import { build } from "esbuild"
import { assert, describe, it } from "vitest"
import { ConvexEmbeddedError } from "../src/index.ts"
import { connect, connectHttp, deploy, FUNCTIONS, temporaryFolder, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { project } from "./project.ts"
import { post } from "./raw.ts"

const TABLE = (index: string, field = "v.string()") => `
  import { defineSchema, defineTable } from "convex/server"
  import { v } from "convex/values"
  export default defineSchema({ things: defineTable({ name: ${field}, rank: v.number() })${index} })
`
const WRITE = `
  import { mutation } from "./_generated/server"
  export const write = mutation((ctx, { name, rank }: { name: string; rank: number }) => ctx.db.insert("things", { name, rank }))
`
const READ = `
  import { query } from "./_generated/server"
  export const names = query(async (ctx) =>
    (await ctx.db.query("things").withIndex("by_rank").order("desc").collect()).map((thing) => thing.name))
`

const COUNT = (text: string) => `
  import { mutation, query } from "./_generated/server"
  export const get = query(async (ctx) => [${text}, (await ctx.db.query("things").collect()).length])
  export const add = mutation((ctx) => ctx.db.insert("things", {}))
`

/** `up`: the way to the functions folder. */
const leak = (up: string) => `
  import { query } from "${up}_generated/server"
  export const leak = query(() => "secret")
`

describe("modules", () => {
  it("extensionless imports, shared state, npm packages and several kinds of exports", async () => {
    const functions = project({
      "a.ts": `
        import { query } from "./_generated/server"
        import { count } from "./lib/shared"
        import { SignJWT } from "jose"
        export default query(() => count())
        export const jose = query(() => typeof SignJWT)
        export const helper = () => "not a function of Convex"`,
      "a.test.ts": `throw new Error("tests are not loaded")`,
      "b/c.ts": `
        import { query } from "../_generated/server"
        import { count } from "../lib/shared"
        export const next = query(() => count())`,
      "lib/shared.ts": `let n = 0; export const count = () => ++n`
    })
    const client = connectHttp(await deploy({ functions }))
    assert.equal(await client.query(anyApi["a"]!["default"]!, {}), 1)
    assert.equal(await client.query(anyApi["b"]!["c"]!["next"]!, {}), 2, "a shared module is one module")
    assert.equal(await client.query(anyApi["a"]!["jose"]!, {}), "function")
    const helper = await client.query(anyApi["a"]!["helper"]!, {}).catch((cause: Error) => cause.message)
    assert.include(helper, "Could not find public function")
  })

  it("an app with components fails at the start and names them", async () => {
    const functions = project({
      "a.ts": `throw new Error("a module that is loaded before")`,
      "convex.config.ts": `
        import { defineApp } from "convex/server"
        import counter from "./counter/convex.config"
        const app = defineApp()
        app.use(counter)
        export default app`,
      "counter/convex.config.ts": `
        import { defineComponent } from "convex/server"
        export default defineComponent("counter")`
    })
    const cause = await deploy({ functions }).catch((error: unknown) => error)
    assert.instanceOf(cause, ConvexEmbeddedError)
    assert.equal(cause.code, "InvalidFunctions")
    assert.include(cause.message, "convex.config.ts cannot be loaded: The app uses components (`app.use`)")
  })

  it("functions of components, and in files that Convex does not deploy, are not public", async () => {
    const functions = project({
      "convex.config.ts": `import { defineApp } from "convex/server"\nexport default defineApp()`,
      "counter/convex.config.ts": `export default null`,
      "counter/public.ts": leak("../"),
      "counter/deep/public.ts": leak("../../"),
      "two.dots.ts": leak("./"),
      "with space.ts": leak("./"),
      "#temporary.ts": leak("./"),
      "countered.ts": leak("./"),
      "http.ts": `
        import { httpRouter } from "convex/server"
        import { query } from "./_generated/server"
        export const helper = query(() => "of http.ts")
        export default httpRouter()`,
      "crons.ts": `
        import { cronJobs } from "convex/server"
        import { query } from "./_generated/server"
        export const helper = query(() => "of crons.ts")
        export default cronJobs()`
    })
    const deployment = await deploy({ functions })
    const call = async (path: string) =>
      (await post(deployment.url, "/api/query", JSON.stringify({ args: {}, path }))).text
    for (const path of [
      "counter/public",
      "counter/deep/public",
      "two.dots",
      "with space",
      "#temporary",
      "counter/convex.config"
    ]) {
      assert.include(await call(`${path}:leak`), "Could not find public function", path)
    }
    assert.include(await call("countered:leak"), '"value":"secret"')
    assert.include(await call("http:helper"), '"value":"of http.ts"')
    assert.include(await call("crons:helper"), '"value":"of crons.ts"')
  })

  it("auth.config.js is read like auth.config.ts", async () => {
    const functions = project({ "a.ts": COUNT("1"), "auth.config.js": "export default { providers: [{}] }" })
    const cause = await deploy({ functions }).catch((error: unknown) => error)
    assert.include(String(cause), "An auth provider must be")
  })

  it("a folder of JavaScript is imported as it is", async () => {
    const functions = join(temporaryFolder(), "functions")
    const entries = ["schema", "counters", "messages", "_generated/server"].map((name) => join(FUNCTIONS, name))
    await build({
      bundle: true,
      entryPoints: entries,
      format: "esm",
      outdir: functions,
      platform: "node",
      splitting: true
    })
    const client = connectHttp(await deploy({ functions }))
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
  })

  it("a folder of JavaScript that Node cannot load is bundled", async () => {
    const functions = project({
      "a.js": `
        import "server-only"
        import { query } from "./_generated/server"
        import { text } from "./lib/text"
        import data from "./data.json"
        export const get = query(() => text + data.text)`,
      "data.json": '{ "text": " and data" }',
      "lib/text.js": `export const text = "shared text"`
    })
    const client = connectHttp(await deploy({ functions }))
    assert.equal(await client.query(anyApi["a"]!["get"]!, {}), "shared text and data")
  })

  it("new indexes are filled, and removed ones are deleted", async () => {
    const dataDir = temporaryFolder()
    const start = (schema: string) =>
      deploy({ dataDir, functions: project({ "schema.ts": schema, "t.ts": READ, "w.ts": WRITE }) })
    const first = await start(TABLE(""))
    const [write, names] = [anyApi["w"]!["write"]!, anyApi["t"]!["names"]!]
    const client = connectHttp(first)
    for (const [rank, name] of ["low", "middle", "high"].entries()) await client.mutation(write, { name, rank })
    const without = await client.query(names, {}).catch((cause: Error) => cause.message)
    assert.include(without, "Index things.by_rank not found")
    await first.close()
    const second = await start(TABLE('.index("by_rank", ["rank"])'))
    assert.deepEqual(await connectHttp(second).query(names, {}), ["high", "middle", "low"])
    await second.close()
    const third = await start(TABLE('.index("by_rank", ["name"])'))
    assert.deepEqual(await connectHttp(third).query(names, {}), ["middle", "low", "high"])
  })

  it("a new schema that stored documents violate is rejected with the document's id", async () => {
    const dataDir = temporaryFolder()
    const index = '.index("by_rank", ["rank"])'
    const start = (schema: string) =>
      deploy({ dataDir, functions: project({ "schema.ts": schema, "t.ts": READ, "w.ts": WRITE }) })
    const first = await start(TABLE(index))
    await connectHttp(first).mutation(anyApi["w"]!["write"]!, { name: "text", rank: 1 })
    await first.close()
    const cause = await start(TABLE("", "v.number()")).catch((error: unknown) => error)
    assert.instanceOf(cause, ConvexEmbeddedError)
    assert.equal(cause.code, "InvalidFunctions")
    assert.match(cause.message, /document \w+ of table "things" does not match the schema[^]*\.name/)
    const again = await start(TABLE(index))
    assert.deepEqual(await connectHttp(again).query(anyApi["t"]!["names"]!, {}), ["text"])
  })

  it("a reload replaces functions and keeps data and subscriptions; a failed one has no effect", async () => {
    const functions = project({ "a.ts": COUNT('"old"') })
    const deployment = await deploy({ functions })
    const client = connect(deployment)
    await client.mutation(anyApi["a"]!["add"]!, {})
    const value = watch(client, anyApi["a"]!["get"]!, {})
    await value.until((seen) => JSON.stringify(seen) === '["old",1]')
    writeFileSync(join(functions, "a.ts"), "syntax error")
    const cause = await deployment.reload().catch((error: unknown) => error)
    assert.instanceOf(cause, ConvexEmbeddedError)
    assert.equal(cause.code, "InvalidFunctions")
    assert.deepEqual(await client.query(anyApi["a"]!["get"]!, {}), ["old", 1])
    writeFileSync(join(functions, "a.ts"), COUNT('"new"'))
    await deployment.reload()
    await value.until((seen) => JSON.stringify(seen) === '["new",1]')
  })
})

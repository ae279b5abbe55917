/** Failures of validators name the field and the types, and never show a value: it may be a secret, and failures are logged. */
import { anyApi } from "convex/server"
import { assert, describe, it } from "vitest"
import { connectHttp, deploy } from "../deployment.ts"
import { project } from "../project.ts"

const SECRET = "s3cr3t-7f1c2a"

const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => assert.fail(`it returned ${JSON.stringify(value)}`),
    (cause: Error) => cause.message
  )

describe("values in messages", () => {
  it("of invalid arguments, results and documents are not shown", async () => {
    const { url } = await deploy({ functions: project({ "schema.ts": SCHEMA, "vault.ts": VAULT }) })
    const client = connectHttp({ url })
    const call = (name: string, args: Record<string, unknown>) =>
      failure(client.mutation(anyApi["vault"]![name]!, args as never))
    const cases: ReadonlyArray<readonly [Promise<string>, RegExp]> = [
      [call("take", { secret: SECRET }), /missing the required field `id`[^]*Object: \{secret: string\}/],
      [
        call("take", { id: SECRET, secret: "" }),
        /not an ID of the table in validator `v\.id\("things"\)`\.\nPath: \.id/
      ],
      [call("take", { secret: [SECRET], id: "x" }), /ArgumentValidationError/],
      [call("list", { secrets: { name: SECRET } }), /Path: \.secrets\.name\nValue: string\nValidator: v\.float64\(\)/],
      [
        call("list", { secrets: {}, more: { secret: SECRET } }),
        /extra field `more`[^]*Object: \{more: object, secrets: object\}/
      ],
      [call("list", { secrets: SECRET }), /Path: \.secrets\nValue: string/],
      [
        call("choose", { way: SECRET }),
        /Path: \.way\nValue: string\nValidator: v\.union\(v\.literal\("a"\), v\.int64\(\)\)/
      ],
      [call("give", { secret: SECRET }), /ReturnsValidationError: Value does not match validator\.\nPath: \.found/],
      [call("store", { secret: SECRET }), /does not match the schema: Value does not match validator\.\nPath: \.rank/],
      [call("replace", { secret: SECRET }), /Value must be an Object: string/]
    ]
    for (const [promise, expected] of cases) {
      const message = await promise
      assert.match(message, expected)
      assert.notInclude(message, SECRET)
    }
  })

  it("fields with names of inherited properties are ordinary fields", async () => {
    const { url } = await deploy({ functions: project({ "schema.ts": SCHEMA, "vault.ts": VAULT }) })
    const client = connectHttp({ url })
    const inherited = (args: object) => client.mutation(anyApi["vault"]!["inherited"]!, args as never)
    assert.match(await failure(inherited({})), /missing the required field `constructor`/)
    assert.match(await failure(inherited({ constructor: "a", toString: "b" })), /extra field `toString`/)
    assert.deepEqual(await inherited({ constructor: "a" }), ["a", 0])
  })
})

const SCHEMA = `
  import { defineSchema, defineTable } from "convex/server"
  import { v } from "convex/values"
  export default defineSchema({ things: defineTable({ rank: v.number() }) })
`

const VAULT = `
  import { v } from "convex/values"
  import { mutation } from "./_generated/server"
  export const take = mutation({ args: { id: v.id("things"), secret: v.string() }, handler: () => null })
  export const list = mutation({ args: { secrets: v.record(v.string(), v.number()) }, handler: () => null })
  export const choose = mutation({ args: { way: v.union(v.literal("a"), v.int64()) }, handler: () => null })
  export const give = mutation({
    args: { secret: v.string() },
    returns: v.object({ found: v.number() }),
    handler: (_, { secret }) => ({ found: secret })
  })
  export const store = mutation({ args: { secret: v.string() }, handler: (ctx, { secret }) => ctx.db.insert("things", { rank: secret }) })
  export const replace = mutation({
    args: { secret: v.string() },
    handler: (ctx, { secret }) => ctx.db.insert("other", secret)
  })
  export const inherited = mutation({
    args: { constructor: v.string() },
    handler: async (ctx, args) => {
      await ctx.db.insert("things", { rank: 1 })
      const found = await ctx.db.query("things").filter((q) => q.neq(q.field("toString"), undefined)).collect()
      return [args.constructor, found.length]
    }
  })
`

/** The oldest version of the `convex` package in the range of the peer dependency; all other tests use the newest. */
import { execFile } from "node:child_process"
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { promisify } from "node:util"
import { build } from "esbuild"
import { assert, describe, it } from "vitest"
import { temporaryFolder } from "./deployment.ts"

const FUNCTIONS = `
  import { actionGeneric, internalQueryGeneric, mutationGeneric, paginationOptsValidator, queryGeneric } from "convex/server"
  import { ConvexError, v } from "convex/values"
  export const add = mutationGeneric({
    args: { text: v.string() },
    handler: (ctx, { text }) => ctx.db.insert("texts", { text })
  })
  export const count = queryGeneric({
    args: {},
    returns: v.number(),
    handler: async (ctx) => (await ctx.db.query("texts").collect()).length
  })
  export const page = queryGeneric({
    args: { paginationOpts: paginationOptsValidator },
    handler: (ctx, { paginationOpts }) => ctx.db.query("texts").withIndex("by_text").paginate(paginationOpts)
  })
  export const fail = actionGeneric(() => {
    throw new ConvexError({ n: 1n })
  })
  export const large = queryGeneric(() => "x".repeat(6_000_000))
  export const secret = internalQueryGeneric(() => "internal")
`
const SCHEMA = `
  import { defineSchema, defineTable } from "convex/server"
  import { v } from "convex/values"
  export default defineSchema({ texts: defineTable({ text: v.string() }).index("by_text", ["text"]) })
`

/** This package, bundled without its dependencies, in a project that has the oldest version of `convex`. */
const projectWithOldest = async (): Promise<string> => {
  const root = join(import.meta.dirname, "..")
  const folder = temporaryFolder()
  mkdirSync(join(folder, "node_modules"))
  mkdirSync(join(folder, "convex"))
  for (const name of ["croner", "esbuild", "jose", "ws"]) {
    symlinkSync(realpathSync(join(root, "node_modules", name)), join(folder, "node_modules", name))
  }
  symlinkSync(realpathSync(join(root, "node_modules/convex-oldest")), join(folder, "node_modules/convex"))
  writeFileSync(join(folder, "convex/f.ts"), FUNCTIONS)
  writeFileSync(join(folder, "convex/schema.ts"), SCHEMA)
  await build({
    bundle: true,
    entryPoints: {
      "convex-thread": join(root, "src/internal/threads/convex-thread.ts"),
      main: join(import.meta.dirname, "fixtures/oldest.ts")
    },
    format: "esm",
    outdir: folder,
    packages: "external",
    platform: "node",
    splitting: true
  })
  writeFileSync(join(folder, "package.json"), '{"type":"module"}')
  return folder
}

describe("the oldest supported version of convex", () => {
  it("is the lower bound of the peer dependency", () => {
    const require = createRequire(import.meta.url)
    const { peerDependencies } = require("../package.json") as { peerDependencies: { convex: string } }
    const { version } = require("convex-oldest/package.json") as { version: string }
    assert.equal(peerDependencies.convex, `^${version}`)
  })

  it("calls functions, subscribes, receives large results and uses the admin key", async () => {
    const folder = await projectWithOldest()
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "main.js"), folder])
    assert.deepEqual(JSON.parse(stdout), {
      failed: { n: "1n" },
      large: 6_000_000,
      page: 1,
      secret: "internal",
      seen: 2
    })
  })
})

import { join } from "node:path"
import { build } from "esbuild"
import { assert, describe, expectTypeOf, it } from "vitest"
import * as effect from "../src/effect.ts"
import * as http from "../src/http.ts"
import * as main from "../src/index.ts"
import * as text from "../src/text.ts"

/** The packages that an entry loads. */
const packagesOf = async (entry: string): Promise<ReadonlyArray<string>> => {
  const { metafile } = await build({
    entryPoints: [join(import.meta.dirname, `../src/${entry}.ts`)],
    bundle: true,
    metafile: true,
    write: false,
    format: "esm",
    conditions: ["@opencode-worker/source"]
  })
  const names = Object.keys(metafile.inputs).flatMap(
    (path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []
  )
  return [...new Set(names)].toSorted()
}

describe("the entries", () => {
  it("export these names", () => {
    assert.deepStrictEqual(Object.keys(main).toSorted(), [
      "ClientError",
      "RequestCard",
      "TurnView",
      "claimDevice",
      "createClient",
      "createDeviceKey",
      "deviceAuth",
      "isClientError",
      "makeClient"
    ])
    assert.deepStrictEqual(Object.keys(main.TurnView).toSorted(), [
      "answer",
      "empty",
      "end",
      "isFinal",
      "live",
      "partBlock",
      "requests"
    ])
    assert.deepStrictEqual(Object.keys(main.RequestCard).toSorted(), ["agentPath", "isCommand", "reaches", "timing"])
    assert.deepStrictEqual(Object.keys(text).toSorted(), ["cleanLine", "cleanText", "splitDecided"])
    assert.deepStrictEqual(Object.keys(effect), ["Client"])
    assert.deepStrictEqual(Object.keys(http).toSorted(), [
      "ClientError",
      "claimDevice",
      "createDeviceKey",
      "deviceAuth",
      "httpCall",
      "isClientError"
    ])
  })

  it("load convex, and effect only in /effect", async () => {
    assert.notInclude(await packagesOf("index"), "effect")
    assert.include(await packagesOf("index"), "convex")
    assert.deepStrictEqual(await packagesOf("http"), ["convex"])
    assert.deepStrictEqual(await packagesOf("TurnView"), [])
    assert.deepStrictEqual(await packagesOf("RequestCard"), [])
    assert.deepStrictEqual(await packagesOf("text"), [])
  })

  it("have these types", () => {
    expectTypeOf<main.Client["workers"]["list"]>().returns.resolves.toEqualTypeOf<ReadonlyArray<main.Worker>>()
    expectTypeOf<main.FollowedTurn["result"]>().resolves.toHaveProperty("end").not.toBeNullable()
    expectTypeOf<main.Client["turns"]["follow"]>().parameter(0).not.toEqualTypeOf<main.SessionId>()
  })
})

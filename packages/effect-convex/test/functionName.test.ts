import { anyApi, getFunctionName, makeFunctionReference } from "convex/server"
import { ConvexError } from "convex/values"
import { assert, it } from "vitest"
import { fromCause } from "../src/internal/fromCause.ts"
import { functionName } from "../src/internal/functionName.ts"

const { folder, notes } = anyApi
const references = [
  notes!["list"]!,
  notes!["default"]!,
  folder!["module"]!["name"]!,
  makeFunctionReference<"query">("notes:list")
]

it("names a function as Convex does", () => {
  for (const reference of references) assert.strictEqual(functionName(reference), getFunctionName(reference))
})

it("refuses a path that names no function", () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an invalid reference
  for (const wrong of [anyApi, {}, ""] as Array<never>) assert.throws(() => functionName(wrong))
})

it("recognizes a ConvexError of any copy of Convex by its mark", () => {
  const thrown = new ConvexError({ code: "Busy", message: "Try again" })
  assert.deepInclude(fromCause("notes:add", {}, thrown).reason, { _tag: "Rejected", code: "Busy", data: thrown.data })
  assert.strictEqual(
    fromCause("notes:add", {}, Object.assign(new Error("no"), { data: 1 })).reason._tag,
    "FunctionFailed"
  )
})

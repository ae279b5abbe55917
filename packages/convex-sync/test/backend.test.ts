import { anyApi, getFunctionName } from "convex/server"
import { assert, it } from "vitest"
import { api } from "../src/index.ts"
import { anyReference } from "../src/internal/anyReference.ts"

it("refers to functions by the names that the Convex client reads", () => {
  assert.strictEqual(getFunctionName(api.lease.acquire), "lease:acquire")
  assert.strictEqual(getFunctionName(api.lease.acquire), getFunctionName(anyApi["lease"]!["acquire"]!))
  assert.strictEqual(
    Reflect.get(Object(anyReference(["folder", "module", "name"])), Symbol.for("functionName")),
    "folder/module:name"
  )
})

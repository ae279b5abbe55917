import { assert, it } from "vitest"
import * as asynchronous from "../src/async.ts"
import * as effect from "../src/index.ts"

it("exports these names", () => {
  assert.deepStrictEqual(Object.keys(effect).toSorted(), [
    "ConvexClient",
    "ConvexClientError",
    "ConvexClientReason",
    "isConvexClientError",
    "isTransient",
    "retryTransient"
  ])
  assert.deepStrictEqual(Object.keys(effect.ConvexClientReason).toSorted(), [
    "Closed",
    "FunctionFailed",
    "InvalidUrl",
    "Rejected",
    "Timeout",
    "Unreachable"
  ])
  assert.deepStrictEqual(Object.keys(asynchronous).toSorted(), [
    "ConvexClientError",
    "createConvexClient",
    "isConvexClientError",
    "isTransient"
  ])
})

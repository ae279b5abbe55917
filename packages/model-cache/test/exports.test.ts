import { assert, describe, it } from "@effect/vitest"
import * as async from "../src/async.ts"
import * as effect from "../src/index.ts"
import * as persisted from "../src/persisted.ts"

const names = (module: object) => Object.keys(module).toSorted()

describe("exports", () => {
  it("of the Effect entry", () => {
    const expected = ["ModelCache", "ModelCacheError", "ModelCacheReason", "ModelCatalog", "SwrCache"]
    assert.deepStrictEqual(names(effect), [...expected, "isModelCacheError"])
    assert.deepStrictEqual(names(effect.SwrCache), ["make"])
    assert.deepStrictEqual(names(effect.ModelCatalog), ["hash", "model", "resolve"])
    const reasons = ["Closed", "FetchFailed", "FetchTimedOut", "InvalidOption", "NoDefaultModel", "UnknownModel"]
    assert.deepStrictEqual(names(effect.ModelCacheReason), reasons)
  })

  it("of the async entry", () => {
    const expected = ["ModelCacheError", "ModelCacheReason", "ModelCatalog", "createModelCache", "isModelCacheError"]
    assert.deepStrictEqual(names(async), expected)
    assert.strictEqual(async.ModelCacheError, effect.ModelCacheError)
  })

  it("of the persisted entry", () => {
    assert.deepStrictEqual(names(persisted), ["layerPersisted"])
  })
})

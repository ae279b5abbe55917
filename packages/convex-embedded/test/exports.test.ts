import { assert, describe, it } from "vitest"
import * as effect from "../src/effect.ts"
import * as holder from "../src/Holder.ts"
import * as main from "../src/index.ts"
import * as privateFiles from "../src/PrivateFiles.ts"

const names = (module: object) => Object.keys(module).toSorted()

describe("exports", () => {
  it("of the main entry", () => {
    assert.deepEqual(names(main), ["ConvexEmbedded", "ConvexEmbeddedError", "isConvexEmbeddedError"])
    assert.deepEqual(names(main.ConvexEmbedded), ["make"])
  })

  it("of the Effect entry", () => {
    assert.deepEqual(names(effect), ["ConvexEmbedded"])
  })

  it("of the entry for the holder of a data folder", () => {
    assert.deepEqual(names(holder), ["findHolder"])
  })

  it("of the entry for private files", () => {
    assert.deepEqual(names(privateFiles), [
      "checkPrivateFile",
      "createPrivateFile",
      "isConvexEmbeddedError",
      "makePrivateFolder",
      "replacePrivateFile",
      "writeAndRename"
    ])
  })
})

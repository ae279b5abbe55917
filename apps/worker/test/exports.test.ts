import { assert, describe, it } from "@effect/vitest"
import * as async from "../src/async.ts"
import * as effect from "../src/index.ts"

describe("exports", () => {
  it("lists the names of the Effect entry", () => {
    assert.deepStrictEqual(Object.keys(effect).toSorted(), ["Worker", "WorkerError"])
  })

  it("lists the names of the async entry", () => {
    assert.deepStrictEqual(Object.keys(async).toSorted(), ["WorkerError", "createWorker"])
  })
})

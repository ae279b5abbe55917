import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { enlist, refusalOf, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  return {
    worker,
    publish: (hash: string, models: string, chosen: string | null = "p/m") =>
      operator.mutation(api.models.publish, { ...worker, hash, models, default: chosen }),
    published: () => operator.query(api.models.published, worker),
    get: () => operator.query(api.models.get, { workerId: worker.workerId })
  }
}

describe("models", () => {
  it("are returned as last published, of any size", async () => {
    const { publish, published, get } = await setUp()
    assert.deepStrictEqual([await published(), await get()], [null, null])
    const long = JSON.stringify(Array.from({ length: 40_000 }, (_, index) => `p/🦊${index}`))
    await publish("1", long)
    assert.deepStrictEqual(await get(), { hash: "1", default: "p/m", models: long })
    await publish("2", "[]", null)
    assert.deepStrictEqual(await get(), { hash: "2", default: null, models: "[]" })
    assert.strictEqual(await published(), "2")
  })

  it("with an unchanged hash are not written", async () => {
    const { publish, get } = await setUp()
    await publish("1", '["a"]')
    await publish("1", '["b"]')
    assert.strictEqual((await get())?.models, '["a"]')
  })

  it("reject over-long input and name the field", async () => {
    const { publish } = await setUp()
    const long = "x".repeat(501)
    const refusals = [publish(long, "[]"), publish("1", "[]", long), publish("1", "x".repeat(3_000_001))]
    assert.deepStrictEqual(new Set(await Promise.all(refusals.map(refusalOf))), new Set(["InvalidArgument"]))
  })
})

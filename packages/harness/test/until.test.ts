import { afterEach, assert, describe, it, vi } from "vitest"
import { limitMillis, until } from "../src/index.ts"

afterEach(() => void vi.restoreAllMocks())

describe("until", () => {
  it("ends as soon as the condition holds", async () => {
    let looks = 0
    await until(() => ++looks === 3, "three looks")
    assert.equal(looks, 3)
    await until(() => Promise.resolve(true), "a promise")
  })

  it("fails after the limit, with the name of the condition and the details of that time", async () => {
    const began = performance.now()
    let looks = 0
    const now = vi.spyOn(performance, "now")
    const waiting = until(
      () => {
        // The second look is within the limit, the third is not.
        now.mockReturnValue(began + ++looks * limitMillis * 0.6)
        return false
      },
      "what never happens",
      () => `after ${looks} looks`
    )
    const error: unknown = await waiting.then(
      () => undefined,
      (cause: unknown) => cause
    )
    assert.instanceOf(error, Error)
    assert.equal(error.message, `Waited ${limitMillis} ms for what never happens\nafter 2 looks`)
  })

  it("fails with the error of the condition", async () => {
    const error: unknown = await until(() => Promise.reject(new Error("broken")), "nothing").catch(
      (cause: unknown) => cause
    )
    assert.instanceOf(error, Error)
    assert.equal(error.message, "broken")
  })
})

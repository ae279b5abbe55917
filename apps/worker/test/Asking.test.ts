import { assert, describe, it } from "@effect/vitest"
import { permissionAnswer, questionAnswer } from "../src/Asking.ts"

describe("what a person types", () => {
  it("allows, refuses, or tells the model what to do instead", () => {
    assert.deepStrictEqual(permissionAnswer(" y "), { type: "once" })
    assert.deepStrictEqual(permissionAnswer("Always"), { type: "always" })
    assert.deepStrictEqual(permissionAnswer("n"), { type: "reject" })
    assert.deepStrictEqual(permissionAnswer(""), { type: "reject" })
    assert.deepStrictEqual(permissionAnswer("use npm"), { type: "reject", message: "use npm" })
  })

  it("chooses options by their numbers, or answers in words", () => {
    const question = { options: [{ label: "red" }, { label: "green" }] }
    assert.deepStrictEqual(questionAnswer(question, "2"), ["green"])
    assert.deepStrictEqual(questionAnswer(question, "1, 2"), ["red", "green"])
    assert.deepStrictEqual(questionAnswer(question, "3"), ["3"])
    assert.deepStrictEqual(questionAnswer(question, "2 of them"), ["2 of them"])
    assert.deepStrictEqual(questionAnswer({}, " because "), ["because"])
  })
})

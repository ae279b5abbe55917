import { assert, describe, it } from "@effect/vitest"
import { permissionAnswer, questionAnswer } from "../../src/terminal/typedAnswer.ts"

const answer = <A>(given: A) => ({ _tag: "Answer", answer: given }) as const

const option = (label: string) => ({ label, description: "" })

describe("the answer to a permission", () => {
  it("is yes, for how long, no, or an instruction", () => {
    assert.deepStrictEqual(permissionAnswer(" y ", true), answer({ type: "once" }))
    assert.deepStrictEqual(permissionAnswer("t", true), answer({ type: "turn" }))
    assert.deepStrictEqual(permissionAnswer("S", true), answer({ type: "session" }))
    assert.deepStrictEqual(permissionAnswer("Always", true), answer({ type: "always" }))
    assert.deepStrictEqual(permissionAnswer("n", true), answer({ type: "reject" }))
    assert.deepStrictEqual(permissionAnswer("use npm", true), answer({ type: "reject", message: "use npm" }))
  })

  it("is requested again if it has no meaning", () => {
    for (const typed of ["", "  ", "q", "yy", "/exit"]) {
      assert.strictEqual(permissionAnswer(typed, true)._tag, "Unclear", typed)
    }
  })

  it("cannot be for later requests unless that is offered", () => {
    for (const typed of ["a", "s", "turn"]) assert.strictEqual(permissionAnswer(typed, false)._tag, "Unclear")
  })
})

describe("the answer to a question", () => {
  const question = {
    question: "Which?",
    header: "",
    options: [option("red"), option("green"), option("3")],
    multiple: false,
    custom: true
  }
  const several = { ...question, multiple: true }
  const strict = { ...question, custom: false }

  it("is a label, a number, or the person's own words", () => {
    assert.deepStrictEqual(questionAnswer(question, "2"), answer(["green"]))
    assert.deepStrictEqual(questionAnswer(question, "GREEN"), answer(["green"]))
    assert.deepStrictEqual(questionAnswer(question, "2 of them"), answer(["2 of them"]))
    assert.deepStrictEqual(questionAnswer({ ...question, options: [] }, " because "), answer(["because"]))
  })

  it("prefers an exact label to a number", () => {
    const reversed = { ...question, options: [option("2"), option("1")] }
    assert.deepStrictEqual(questionAnswer(reversed, "1"), answer(["1"]))
    assert.deepStrictEqual(questionAnswer(question, "3"), answer(["3"]))
  })

  it("can be several options if the question allows it", () => {
    assert.deepStrictEqual(questionAnswer(several, "1, 2"), answer(["red", "green"]))
    assert.deepStrictEqual(questionAnswer(several, "red 2 2"), answer(["red", "green"]))
    assert.strictEqual(questionAnswer(question, "1, 2")._tag, "Unclear")
  })

  it("is requested again if it is empty or invalid", () => {
    for (const typed of ["", "7", "0", "1 9"]) assert.strictEqual(questionAnswer(several, typed)._tag, "Unclear", typed)
    assert.strictEqual(questionAnswer(strict, "blue")._tag, "Unclear")
  })
})

import { assert, describe, it } from "vitest"
import { RequestCard } from "../src/index.ts"

describe("RequestCard", () => {
  it("joins the agents with their tasks", () => {
    const askedBy = [
      { agent: "build", task: null },
      { agent: "explore", task: "read the tax rules" }
    ]
    assert.strictEqual(RequestCard.agentPath(askedBy), "build › explore (read the tax rules)")
    assert.strictEqual(RequestCard.agentPath([]), "")
  })

  it("recognizes one command", () => {
    assert.isTrue(RequestCard.isCommand([{ format: "command" }]))
    assert.isFalse(RequestCard.isCommand([{ format: "command" }, { format: "diff" }]))
    assert.isFalse(RequestCard.isCommand([{ format: "diff" }]))
  })

  it("offers later requests only for a known scope", () => {
    assert.deepStrictEqual(RequestCard.reaches({ always: null }), ["once"])
    assert.deepStrictEqual(RequestCard.reaches({ always: { label: "edits" } }), ["once", "turn", "session", "always"])
  })

  it("reports the age and the time left, never below zero", () => {
    assert.deepStrictEqual(RequestCard.timing({ createdAt: 10, expiresAt: 40 }, 15), { age: 5, left: 25 })
    assert.deepStrictEqual(RequestCard.timing({ createdAt: 10, expiresAt: 12 }, 15), { age: 5, left: 0 })
    assert.deepStrictEqual(RequestCard.timing({ createdAt: 20, expiresAt: null }, 15), { age: 0, left: null })
  })
})

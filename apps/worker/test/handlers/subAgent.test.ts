/** A transcript of a sub-agent fits into the result of a query. */
import { MAX_QUERY_RESULT } from "@opencode-worker/convex-backend/limits"
import { assert, describe, it } from "@effect/vitest"
import { fitTranscript } from "../../src/handlers/subAgent.ts"

const turnOf = (name: string, texts: ReadonlyArray<string>) => ({
  text: name,
  status: "completed" as const,
  error: null,
  usage: { input: 1, output: 1, cost: 0 },
  answeredBy: null,
  parts: texts.map((text, index) => ({ index, kind: "text", payload: JSON.stringify({ id: `p${index}`, text }) }))
})

describe("a transcript", () => {
  it("that fits is not changed", () => {
    const turns = [turnOf("one", ["a", "b"]), turnOf("two", ["c"])]
    assert.deepStrictEqual(fitTranscript(turns), { turns, truncated: false })
  })

  it.each([
    ["long texts", [turnOf("one", ["x".repeat(600_000), "y"])]],
    ["characters that JSON escapes", [turnOf("one", ["\u0001".repeat(200_000), "y"])]],
    [
      "many parts",
      [
        turnOf(
          "one",
          Array.from({ length: 20_000 }, (_, index) => `${index} ${"z".repeat(100)}`)
        )
      ]
    ],
    ["many turns", Array.from({ length: 20 }, (_, index) => turnOf(`${index}`, Array(200).fill("w".repeat(500))))]
  ])("with %s is shortened, and keeps its end", (_, turns) => {
    const fitted = fitTranscript(turns)
    assert.isTrue(fitted.truncated)
    assert.isAtMost(JSON.stringify(fitted).length, MAX_QUERY_RESULT)
    const [last, wanted] = [fitted.turns.at(-1), turns.at(-1)]
    assert.strictEqual(last?.text, wanted?.text)
    assert.strictEqual(last?.parts.at(-1)?.index, wanted?.parts.at(-1)?.index)
  })
})

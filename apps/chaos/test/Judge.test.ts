import { assert, describe, it } from "vitest"
import { judge, type Observed } from "../src/Judge.ts"
import { openingOf } from "../src/Prompt.ts"

const answer = `${openingOf("p")}and the rest.`

/** A prompt with a command that was answered whole. */
const whole: Observed = {
  prompt: {
    id: "p",
    kind: "tool",
    answer,
    requests: new Map([
      [0, 1],
      [1, 1]
    ]),
    shown: { text: openingOf("p") }
  },
  status: "completed",
  error: "",
  texts: [answer],
  tools: ["completed"],
  pending: 0,
  record: { prompts: 1, finished: true },
  ran: 1,
  spared: false
}

/** A prompt that was cut short while its command ran. */
const cut: Observed = {
  ...whole,
  status: "interrupted",
  texts: [openingOf("p")],
  tools: ["error"],
  record: { prompts: 1, finished: false }
}

const kinds = (observed: Observed) => judge(observed).map(({ kind }) => kind)

describe("judge", () => {
  it("has nothing to say of a whole answer, nor of one that was cut short with its worker", () => {
    assert.deepStrictEqual(judge(whole), [])
    assert.deepStrictEqual(judge(cut), [])
  })

  it("calls lost what ended badly, without its text, or though nothing of it died", () => {
    assert.deepStrictEqual(kinds({ ...whole, status: "failed" }), ["lost"])
    assert.deepStrictEqual(kinds({ ...whole, texts: [openingOf("p")] }), ["lost"])
    assert.deepStrictEqual(kinds({ ...whole, ran: 0 }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, spared: true }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, texts: [] }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, record: { prompts: 1, finished: true } }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, record: { prompts: 0, finished: false } }), ["lost"])
  })

  it("calls duplicated what was asked, run, stored or told twice", () => {
    const requests = new Map([[0, 2]])
    assert.deepStrictEqual(kinds({ ...cut, prompt: { ...cut.prompt, requests } }), ["duplicated"])
    assert.deepStrictEqual(kinds({ ...whole, ran: 2 }), ["duplicated"])
    assert.deepStrictEqual(kinds({ ...whole, record: { prompts: 2, finished: true } }), ["duplicated"])
    assert.deepStrictEqual(kinds({ ...whole, texts: [answer, answer] }), ["duplicated"])
  })

  it("calls unsettled what did not end, or left a tool or a request open", () => {
    assert.deepStrictEqual(kinds({ ...whole, status: undefined }), ["unsettled"])
    assert.deepStrictEqual(kinds({ ...cut, tools: ["running"] }), ["unsettled"])
    assert.deepStrictEqual(kinds({ ...cut, pending: 1 }), ["unsettled"])
  })
})

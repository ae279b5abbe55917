import { assert, describe, it } from "vitest"
import { judge, type Observed } from "../src/Judge.ts"
import { type Asked, asks, type Kind, openingOf } from "../src/Prompt.ts"

const answer = `${openingOf("p")}and the rest.`

/** A prompt with a command that was answered whole. */
const whole: Observed = {
  prompt: {
    id: "p",
    kind: "tool",
    answer,
    requests: new Map([
      ["tool", 1],
      ["answer", 1]
    ]),
    followsCompaction: false,
    ends: new Set(["completed"]),
    shown: { text: openingOf("p") }
  },
  status: "completed",
  unended: "",
  error: "",
  texts: [answer],
  tools: ["completed"],
  pending: 0,
  record: { prompts: 1, answers: 2, finished: true },
  ran: 1,
  spared: false
}

/** A prompt that was cut short while its command ran. */
const cut: Observed = {
  ...whole,
  status: "interrupted",
  texts: [openingOf("p")],
  tools: ["error"],
  record: { prompts: 1, answers: 1, finished: false }
}

const kinds = (observed: Observed) => judge(observed).map(({ kind }) => kind)

/** A prompt that was answered whole, for which the model was asked so. */
const of = (kind: Kind, ...asked: ReadonlyArray<Asked>): Observed => ({
  ...whole,
  prompt: { ...whole.prompt, kind, requests: new Map(asked.map((each) => [each, 1])) },
  record: {
    prompts: 1,
    answers: asks[kind].filter((each) => each === "tool" || each === "answer").length,
    finished: true
  }
})

describe("judge", () => {
  it("finds no violation in a whole answer, nor in one that was cut short with its worker", () => {
    assert.deepStrictEqual(judge(whole), [])
    assert.deepStrictEqual(judge(cut), [])
  })

  it("calls lost what ended badly, without its text, or though nothing of it died", () => {
    assert.deepStrictEqual(kinds({ ...whole, status: "failed" }), ["lost"])
    assert.deepStrictEqual(kinds({ ...whole, texts: [openingOf("p")] }), ["lost"])
    assert.deepStrictEqual(kinds({ ...whole, ran: 0 }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, spared: true }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, texts: [] }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, record: { prompts: 1, answers: 2, finished: true } }), ["lost"])
    assert.deepStrictEqual(kinds({ ...cut, record: { prompts: 0, answers: 0, finished: false } }), ["lost"])
  })

  it("reports a request, run, record or event that occurs twice as duplicated", () => {
    const requests = new Map([["tool", 2]] as const)
    assert.deepStrictEqual(kinds({ ...cut, prompt: { ...cut.prompt, requests } }), ["duplicated"])
    assert.deepStrictEqual(kinds({ ...whole, ran: 2 }), ["duplicated"])
    assert.deepStrictEqual(kinds({ ...whole, record: { prompts: 2, answers: 2, finished: true } }), ["duplicated"])
    assert.deepStrictEqual(kinds({ ...whole, texts: [answer, answer] }), ["duplicated"])
  })

  it("asks of each kind of turn all of its requests, and no others", () => {
    assert.deepStrictEqual(judge(of("compaction", "tool", "summary", "answer")), [])
    assert.deepStrictEqual(judge(of("retry", "refused", "answer")), [])
    assert.deepStrictEqual(kinds(of("compaction", "tool", "answer")), ["lost"])
    assert.deepStrictEqual(kinds(of("retry", "answer")), ["lost"])
    assert.deepStrictEqual(kinds({ ...of("compaction", "tool", "summary", "answer"), ran: 0 }), ["lost"])
    assert.deepStrictEqual(kinds({ ...of("compaction", "tool", "summary", "answer"), texts: ["Summary"] }), ["lost"])

    const taken = of("text", "earlier summary", "answer")
    assert.deepStrictEqual(kinds(taken), ["duplicated"])
    assert.deepStrictEqual(judge({ ...taken, prompt: { ...taken.prompt, followsCompaction: true } }), [])
  })

  it("calls duplicated a turn that was run again after a refusal, or that ended twice", () => {
    const record = { prompts: 1, answers: 3, finished: true }
    assert.deepStrictEqual(kinds({ ...whole, record }), ["duplicated"])
    const ends = new Set(["interrupted", "completed"])
    assert.deepStrictEqual(kinds({ ...whole, prompt: { ...whole.prompt, ends } }), ["duplicated"])
  })

  it("calls unsettled what did not end, or left a tool or a request open", () => {
    assert.deepStrictEqual(kinds({ ...whole, status: undefined }), ["unsettled"])
    assert.deepStrictEqual(kinds({ ...cut, tools: ["running"] }), ["unsettled"])
    assert.deepStrictEqual(kinds({ ...cut, pending: 1 }), ["unsettled"])
  })
})

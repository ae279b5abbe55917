import { assert, describe, it } from "vitest"
import { judge, type Observed } from "../src/Judge.ts"
import { judgeFiles } from "../src/Undo.ts"
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
    fileMistakes: new Set(),
    steer: { answer: "" },
    ends: new Set(["completed"]),
    shown: { text: openingOf("p") }
  },
  status: "completed",
  unended: "",
  error: "",
  texts: [answer],
  tools: ["completed"],
  takenOver: false,
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

const judged = (status: string | undefined, person: string | null, ...others: ReadonlyArray<string | null>) =>
  judgeFiles("p", status, { person, others }).map(({ kind }) => kind)

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

  it("lets a turn that was steered end with what it had, and with all that was shown", () => {
    const steered = { ...whole, takenOver: true, record: { prompts: 1, answers: 1, finished: false } }
    assert.deepStrictEqual(judge({ ...steered, texts: [openingOf("p")] }), [])
    assert.deepStrictEqual(kinds({ ...steered, texts: [] }), ["lost"])
    const another = `${openingOf("q")}and its rest.`
    const both = { ...whole, prompt: { ...whole.prompt, steer: { answer: another }, shown: { text: "" } } }
    assert.deepStrictEqual(judge({ ...both, texts: [`${openingOf("p")}${another}`] }), [])
    assert.deepStrictEqual(judge({ ...both, texts: [another] }), [])
    assert.deepStrictEqual(kinds({ ...whole, texts: [`${openingOf("p")}Another answer.`] }), ["lost"])
    assert.deepStrictEqual(kinds({ ...steered, texts: [`${openingOf("p")} of another prompt`] }), ["lost"])
  })

  it("calls lost a file that is not in its turn", () => {
    const fileMistakes = new Set(["answer: its file is not in a request"])
    assert.deepStrictEqual(kinds({ ...whole, prompt: { ...whole.prompt, fileMistakes } }), ["lost"])
  })

  it("calls lost an undo that is half done, or that took what a person wrote", () => {
    const mine = "a person's line\n"
    assert.deepStrictEqual(judged("done", mine, null, null), [])
    assert.deepStrictEqual(judged("failed", mine, "p\n", "p\n"), [])
    assert.deepStrictEqual(judged("failed", mine, null, "p\n"), ["lost"])
    assert.deepStrictEqual(judged("done", "p\n", null, null), ["lost"])
    assert.deepStrictEqual(judged("done", mine, "p\n", "p\n"), ["lost"])
    assert.deepStrictEqual(judged(undefined, mine, null, null), ["unsettled"])
  })

  it("calls unsettled what did not end, or left a tool or a request open", () => {
    assert.deepStrictEqual(kinds({ ...whole, status: undefined }), ["unsettled"])
    assert.deepStrictEqual(kinds({ ...cut, tools: ["running"] }), ["unsettled"])
    assert.deepStrictEqual(kinds({ ...cut, pending: 1 }), ["unsettled"])
  })
})

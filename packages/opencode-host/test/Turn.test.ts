import { assert, describe, it } from "@effect/vitest"
import type { AssistantMessage, Part, ToolState } from "@opencode-ai/sdk/v2/client"
import { type AssistantWithParts, classifyTurn, usageOf, visibleParts } from "../src/index.ts"
import { answeredBy } from "../src/Turn.ts"

const base: AssistantMessage = {
  id: "msg_a",
  sessionID: "ses_a",
  role: "assistant",
  time: { created: 1, completed: 2 },
  parentID: "msg_u",
  modelID: "echo",
  providerID: "scripted",
  mode: "build",
  agent: "build",
  path: { cwd: "/", root: "/" },
  cost: 0.5,
  tokens: { input: 3, output: 2, reasoning: 1, cache: { read: 10, write: 4 } }
}

const tool = (state: ToolState): Part => ({
  id: "prt_t",
  sessionID: "ses_a",
  messageID: "msg_a",
  type: "tool",
  callID: "call_1",
  tool: "bash",
  state
})
const rejected = tool({ status: "error", input: {}, error: "The user rejected it", time: { start: 1, end: 2 } })
const done = tool({ status: "completed", input: {}, output: "", title: "", metadata: {}, time: { start: 1, end: 2 } })

const part = (type: "step-start" | "text", id: string): Part => {
  const common = { id, sessionID: "ses_a", messageID: "msg_a" }
  return type === "text" ? { ...common, type, text: id } : { ...common, type }
}

const message = (info: Partial<AssistantMessage>, parts: ReadonlyArray<Part> = []): AssistantWithParts => ({
  info: { ...base, ...info },
  parts
})
const aborted = { name: "MessageAbortedError", data: { message: "aborted" } } as const
const api = { name: "APIError", data: { message: "bad key", statusCode: 401, isRetryable: false } } as const
const filtered = { name: "ContentFilterError", data: { message: "filtered" } } as const
const unfinished = { time: { created: 1 } }

describe("classifyTurn", () => {
  type Row = readonly [name: string, assistants: ReadonlyArray<AssistantWithParts>, expected: string, error?: string]
  const rows: ReadonlyArray<Row> = [
    ["nothing stored", [], "NotStarted"],
    ["stop", [message({ finish: "stop" })], "completed"],
    ["length", [message({ finish: "length" })], "completed"],
    ["steps and a last answer", [message({ finish: "tool-calls" }, [done]), message({ finish: "stop" })], "completed"],
    [
      "a rejected tool that the model went on from",
      [message({ finish: "tool-calls" }, [rejected]), message({ finish: "stop" })],
      "completed"
    ],
    ["an aborted step", [message({ error: aborted })], "aborted"],
    ["a provider error", [message({ error: api })], "failed", "APIError"],
    ["a filtered answer", [message({ finish: "content-filter", error: filtered })], "failed", "ContentFilterError"],
    ["a finish of error", [message({ finish: "error" })], "failed", "UnknownError"],
    ["a rejection", [message({ finish: "tool-calls" }, [rejected])], "aborted", "Rejected"],
    ["death in a step", [message(unfinished)], "interrupted"],
    ["death in a later step", [message({ finish: "tool-calls" }, [done]), message(unfinished)], "interrupted"],
    ["death between steps", [message({ finish: "tool-calls" }, [done])], "interrupted"],
    ["completed without a finish", [message({})], "interrupted"],
    // A refusal after some text: anomalyco/opencode#31744, #35736.
    [
      "a refusal",
      [message({ finish: "content-filter", error: filtered }, [part("text", "I")])],
      "failed",
      "ContentFilterError"
    ],
    // Providers end each answer with an unknown reason, and OpenCode continues indefinitely: anomalyco/opencode#43939, #49414.
    ["unknown ends, then an abort", [message({ finish: "unknown" }), message({ error: aborted })], "aborted"],
    // Text with the reason of a tool call: anomalyco/opencode#49008.
    ["a tool's finish without a tool", [message({ finish: "tool-calls" }, [part("text", "done")])], "interrupted"],
    ["a finish that OpenCode would have gone on from", [message({ finish: "unknown" })], "interrupted"],
    ["an older failure that was run again", [message({ error: api }), message({ finish: "stop" })], "completed"]
  ]

  for (const [name, assistants, expected, error] of rows) {
    it(`${name}, while it is idle`, () => {
      const state = classifyTurn(assistants, { sessionBusy: false })
      assert.strictEqual(state._tag === "Ended" ? state.outcome : state._tag, expected)
      assert.strictEqual(state._tag === "Ended" ? state.error?.name : undefined, error)
    })

    it(`${name}, while the session is busy: running`, () => {
      assert.deepStrictEqual(classifyTurn(assistants, { sessionBusy: true }), { _tag: "Running" })
    })

    it(`${name}, after an abort was asked for: aborted, if it ever began`, () => {
      const state = classifyTurn(assistants, { sessionBusy: false, abortRequested: true })
      assert.strictEqual(
        state._tag === "Ended" ? state.outcome : state._tag,
        assistants.length === 0 ? "NotStarted" : "aborted"
      )
    })
  }

  it("keeps the status of a provider's answer, and none of its headers", () => {
    const error = { ...api, data: { ...api.data, responseHeaders: { "set-cookie": "secret" }, responseBody: "secret" } }
    const state = classifyTurn([message({ error })], { sessionBusy: false })
    assert.deepStrictEqual(state, {
      _tag: "Ended",
      outcome: "failed",
      error: { name: "APIError", message: "bad key", statusCode: 401 }
    })
  })
})

describe("usageOf", () => {
  it("sums the steps", () => {
    assert.deepStrictEqual(usageOf([message({}), message({})]), {
      input: 6,
      output: 4,
      reasoning: 2,
      cacheRead: 20,
      cacheWrite: 8,
      context: 19,
      cost: 1
    })
    assert.deepStrictEqual(usageOf([]), {
      input: 0,
      output: 0,
      reasoning: 0,
      cacheRead: 0,
      cacheWrite: 0,
      context: 0,
      cost: 0
    })
  })
})

describe("visibleParts", () => {
  it("leaves out what a retried step had streamed", () => {
    const parts = [part("step-start", "1"), part("text", "cut"), part("step-start", "2"), part("text", "whole")]
    assert.deepStrictEqual(
      visibleParts(message({}, parts)).map(({ id }) => id),
      ["2", "whole"]
    )
  })
  it("shows all parts of a message without steps", () => {
    assert.deepStrictEqual(
      visibleParts(message({}, [part("text", "a")])).map(({ id }) => id),
      ["a"]
    )
    assert.deepStrictEqual(visibleParts(message({})), [])
  })
})

describe("a turn with a summary", () => {
  const summary = { id: "msg_s", summary: true } as const

  it("has the outcome of its answer when the summary follows it", () => {
    const state = classifyTurn([message({ finish: "stop" }), message(summary)], { sessionBusy: false })
    assert.deepInclude(state, { _tag: "Ended", outcome: "completed" })
  })

  it("is answered by the newest message that is no summary", () => {
    const messages = [message({ modelID: "first" }), message({ modelID: "second" }), message(summary)]
    assert.deepStrictEqual(answeredBy(messages), { model: "scripted/second", agent: "build" })
    assert.isUndefined(answeredBy([message(summary)]))
    assert.deepInclude(answeredBy([message({ variant: "high" })]), { variant: "high" })
  })
})

import { assert, describe, it } from "@effect/vitest"
import type { AssistantWithParts, OpenCodePart } from "@opencode-worker/opencode-host"
import { finalParts } from "../../src/opencode/finalParts.ts"

const of = { sessionID: "ses_1", messageID: "msg_1" }
const info: AssistantWithParts["info"] = {
  id: "msg_1",
  sessionID: "ses_1",
  role: "assistant",
  time: { created: 1 },
  parentID: "msg_0",
  modelID: "echo",
  providerID: "scripted",
  mode: "build",
  agent: "build",
  path: { cwd: "/", root: "/" },
  cost: 0,
  tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } }
}
const message = (...parts: ReadonlyArray<OpenCodePart>): AssistantWithParts => ({ info, parts })
const text = (id: string, content: string): OpenCodePart => ({ id, ...of, type: "text", text: content })
const thoughts = (content: string): OpenCodePart => ({
  id: "r",
  ...of,
  type: "reasoning",
  text: content,
  time: { start: 1 }
})
const stepStart = (id: string): OpenCodePart => ({ id, ...of, type: "step-start" })

const read = (parts: ReturnType<typeof finalParts>) => parts.map(({ kind, payload }) => [kind, JSON.parse(payload)])

/** The names of the notices of a completed turn. */
const names = (finish: string, ...parts: ReadonlyArray<OpenCodePart>) =>
  read(finalParts([{ info: { ...info, finish }, parts }], { completed: true }))
    .filter(([kind]) => kind === "notice")
    .map(([, { name }]) => name)

describe("finalParts", () => {
  it("numbers the parts of all messages in order and drops empty text", () => {
    const parts = finalParts([message(text("a", "one"), text("b", "")), message(text("c", "two"))])
    assert.deepStrictEqual(
      parts.map(({ index, payload }) => [index, JSON.parse(payload).text]),
      [
        [0, "one"],
        [1, "two"]
      ]
    )
  })

  it("omits the incomplete text of a retried step", () => {
    const parts = finalParts([message(stepStart("1"), text("a", "cut"), stepStart("2"), text("b", "whole"))])
    assert.deepStrictEqual(
      read(parts).map(([kind, { text: content }]) => [kind, content]),
      [
        ["step-start", undefined],
        ["text", "whole"]
      ]
    )
  })

  it("restores streamed text that OpenCode lost, and prefers OpenCode's own text", () => {
    const streamed = [
      { partId: "a", kind: "text" as const, text: "streamed" },
      { partId: "b", kind: "text" as const, text: "older" },
      { partId: "c", kind: "reasoning" as const, text: "never stored" }
    ]
    const parts = finalParts([message(text("a", ""), text("b", "stored"))], { streamed })
    assert.deepStrictEqual(
      read(parts).map(([kind, { id, text: content }]) => [kind, id, content]),
      [
        ["text", "a", "streamed"],
        ["text", "b", "stored"],
        ["reasoning", "c", "never stored"]
      ]
    )
  })

  it("ends an interrupted tool call", () => {
    const running: OpenCodePart = {
      id: "t",
      ...of,
      type: "tool",
      callID: "call_1",
      tool: "bash",
      state: { status: "running", input: { command: "sleep 9" }, time: { start: 5 } }
    }
    const [tool] = read(finalParts([message(running)]))
    assert.strictEqual(tool?.[1].state.status, "error")
    assert.strictEqual(tool?.[1].state.error, "The tool was interrupted")
  })

  it("shows a notice in place of a summary that OpenCode wrote for the model", () => {
    const summary = { info: { ...info, id: "msg_2", summary: true, finish: "stop" }, parts: [text("s", "SUMMARY")] }
    const cut = { info: { ...info, id: "msg_3", summary: true }, parts: [text("t", "SUMM")] }
    const parts = read(finalParts([message(text("a", "one")), summary, cut, message(text("b", "two"))]))
    assert.deepStrictEqual(
      parts.map(([kind, { id, name }]) => [kind, id, name]),
      [
        ["text", "a", undefined],
        ["notice", "msg_2", "Compacted"],
        ["text", "b", undefined]
      ]
    )
  })

  it("adds a notice to a completed turn whose answer is truncated or empty", () => {
    assert.deepStrictEqual(names("stop", text("a", "whole")), [])
    assert.deepStrictEqual(names("length", text("a", "half a sent")), ["OutputLimit"])
    assert.deepStrictEqual(names("stop", text("a", " ")), ["EmptyAnswer"])
  })

  it("adds the notice in each reported case of a missing answer", () => {
    // The whole output is reasoning: anomalyco/opencode#17471, #40146.
    assert.deepStrictEqual(names("length", thoughts("on and on")), ["OutputLimit"])
    // No part at all: anomalyco/opencode#37735.
    assert.deepStrictEqual(names("stop"), ["EmptyAnswer"])
    // Reasoning is not an answer: coder/coder#27476.
    assert.deepStrictEqual(names("stop", thoughts("I will"), text("a", "\n")), ["EmptyAnswer"])
    // A truncated tool call: anomalyco/opencode#17471.
    assert.deepStrictEqual(names("length", text("a", "Now I write the file"), stepStart("s")), ["OutputLimit"])
  })

  it("puts notices first", () => {
    const parts = finalParts([message(text("a", "answer"))], { notices: ["restarted"] })
    assert.deepStrictEqual(read(parts)[0], ["notice", { text: "restarted" }])
  })
})

import { assert, describe, it } from "@effect/vitest"
import type { Part, Segment } from "../../src/Operator.ts"
import * as ToolSegment from "../../src/terminal/ToolPreview.ts"
import { plain } from "../../src/terminal/output/Style.ts"
import * as Transcript from "../../src/terminal/Transcript.ts"

const { empty, end, live } = Transcript

const text = (partId: string, content: string): Segment => ({ partId, kind: "text", text: content })
const call = (status: ToolSegment.ToolSegment["status"], output = ""): Segment => ({
  partId: "tool1",
  kind: "tool",
  text: ToolSegment.encode({ tool: "bash", status, input: '{"command":"ls"}', output })
})
const part = (index: number, kind: string, payload: object): Part => ({ index, kind, payload: JSON.stringify(payload) })
const completed = { status: "completed", error: null }

describe("Transcript", () => {
  it("writes text as it comes, and a new part on a line of its own", () => {
    const [state, first] = live(empty, plain, [{ partId: "r", kind: "reasoning", text: "hm" }, text("a", "one ")])
    const [, second] = live(state, plain, [text("a", "two")])
    assert.strictEqual(first.text + second.text, "thinking: hm\none two")
  })

  it("shows a tool's call once and its output once, however often it is reported", () => {
    const [state, started] = live(empty, plain, [text("a", "look"), call("running"), call("running")])
    assert.strictEqual(started.text, 'look\ntool: bash\n  input  {"command":"ls"}\n')
    const [after, ended] = live(state, plain, [call("completed", "a\nb"), call("completed", "a\nb")])
    assert.strictEqual(ended.text, "  output a\n         b\n")
    const parts = [
      part(0, "tool", { id: "tool1", tool: "bash", state: { status: "completed", input: {}, output: "a\nb" } })
    ]
    assert.strictEqual(end(after, plain, completed, parts)[1].text, "")
  })

  it("adds at the end what never arrived live, and nothing twice", () => {
    const [state] = live(empty, plain, [text("a", "begin")])
    const parts = [part(0, "text", { id: "a", text: "begin and end" }), part(1, "text", { id: "b", text: "more" })]
    assert.strictEqual(end(state, plain, completed, parts)[1].text, " and end\nmore\n")
  })

  it("says how a turn ended that did not complete", () => {
    const failed = { status: "failed", error: { message: "no such model" } }
    assert.strictEqual(end(empty, plain, failed, [])[1].text, "failed: no such model\n")
  })

  it("passes over what it cannot read", () => {
    assert.strictEqual(end(empty, plain, completed, [{ index: 0, kind: "text", payload: "{" }])[1].text, "")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { type LiveTurn, type Segment, TurnView } from "@opencode-worker/client"
import { plain } from "../../src/terminal/output/Style.ts"
import * as ToolPreview from "../../src/terminal/ToolPreview.ts"
import * as Transcript from "../../src/terminal/Transcript.ts"
import { ended, live, part } from "../support/views.ts"

const { empty, render } = Transcript

const text = (partId: string, content: string): Segment => ({ partId, kind: "text", text: content })
const notice = (content: string): Segment => ({ partId: "n", kind: "notice", text: content })
const call = (status: ToolPreview.ToolPreview["status"], output = ""): Segment => ({
  partId: "tool1",
  kind: "tool",
  text: ToolPreview.encode({ tool: "bash", status, title: null, input: '{"command":"ls"}', output })
})

const file = (name: string, url: string) => ({ filename: name, mime: "image/png", url })

/** The terminal output for a sequence of views. */
const shown = (...views: ReadonlyArray<TurnView.TurnView>): ReadonlyArray<string> => {
  let state = empty
  return views.map((view) => {
    const [next, added] = render(state, { style: plain, width: null }, view)
    state = next
    return added.text
  })
}

/** The output of a turn that ends so. */
const end = (
  status: "aborted" | "interrupted",
  error: LiveTurn["error"],
  parts: Parameters<typeof ended>[1] = []
): string => shown(ended(TurnView.empty, parts, { status, error, answeredBy: null })).join("")

describe("Transcript", () => {
  it("writes text as it arrives, and starts each part on a new line", () => {
    const first = live(TurnView.empty, { partId: "r", kind: "reasoning", text: "hm" }, text("a", "one "))
    assert.strictEqual(shown(first, live(first, text("a", "two"))).join(""), "thinking: hm\none two")
  })

  it("shows the call and the output of a tool once, however often they are reported", () => {
    const first = live(TurnView.empty, text("a", "look"), call("running"), call("running"))
    const second = live(first, call("completed", "a\nb"), call("completed", "a\nb"))
    const parts = [
      part(0, "tool", { id: "tool1", tool: "bash", state: { status: "completed", input: {}, output: "a\nb" } })
    ]
    assert.deepStrictEqual(shown(first, second, ended(second, parts)), [
      'look\ntool: bash\n  input  {"command":"ls"}\n',
      "  output a\n         b\n",
      ""
    ])
  })

  it("shows the files of the answer and of its tools once, without their control characters", () => {
    const state = { status: "completed", input: {}, output: "read", attachments: [file("a.png", "storage:1")] }
    const first = live(TurnView.empty, call("running"))
    const last = ended(first, [
      part(0, "tool", { id: "tool1", tool: "bash", state }),
      part(1, "file", { id: "file1", ...file("b\u001b[2J.png", "omitted:9") })
    ])
    assert.deepStrictEqual(shown(first, last, last), [
      'tool: bash\n  input  {"command":"ls"}\n',
      "  output read\n  file   a.png (image/png)\nfile: b␛[2J.png (image/png, too large to keep)\n",
      ""
    ])
  })

  it("shows a sub-agent with its task when it starts, and its answer once", () => {
    const child = { sessionId: "ses_1", agent: "explore", task: "find it" }
    const task = (status: string, output = ""): Segment => ({
      partId: "task1",
      kind: "tool",
      text: JSON.stringify({ tool: "task", status, title: null, input: "{}", output, child })
    })
    const progress: Segment = { partId: "task1", kind: "progress", text: '{"tools":2,"current":"read a.ts"}' }
    const first = live(TurnView.empty, task("running"), progress)
    assert.deepStrictEqual(shown(first, live(first, task("completed", "Found."))), [
      "tool: explore (sub-agent)\n  input  find it\n",
      "  output Found.\n"
    ])
  })

  it("adds missing text at the end, and no text twice", () => {
    const first = live(TurnView.empty, text("a", "begin"))
    const parts = [part(0, "text", { id: "a", text: "begin and end" }), part(1, "text", { id: "b", text: "more" })]
    assert.deepStrictEqual(shown(first, ended(first, parts)), ["begin", " and end\nmore\n"])
  })

  it("writes each notice once, and the next one of the same id", () => {
    const first = live(TurnView.empty, notice("Waiting"))
    const second = live(first, notice("Waiting longer"))
    const last = ended(second, [part(0, "notice", { id: "n", text: "Waiting longer" })])
    assert.deepStrictEqual(shown(first, second, last), ["notice: Waiting", "\nnotice: Waiting longer", "\n"])
  })

  it("shows the outcome of an incomplete turn, and the model", () => {
    const error = { name: "Error", message: "no such model" }
    const answeredBy = { model: "test/echo", agent: "build" }
    const failed = ended(TurnView.empty, [], { status: "failed", error, answeredBy })
    assert.deepStrictEqual(shown(failed), ["answered by test/echo, agent build\nfailed: no such model\n"])
  })

  it("names the person who stopped a turn, the refused tool call, and the cause of an end that was not chosen", () => {
    const refused = { name: "Rejected", message: "The user rejected permission to use this specific tool call." }
    const refusal = (tool: string) => [
      part(0, "tool", { id: "t", callID: "c", tool, state: { status: "error", input: {}, error: refused.message } })
    ]
    assert.strictEqual(end("aborted", null), "stopped by you\n")
    assert.match(end("aborted", refused, refusal("edit")), /\nstopped: you said no to edit\n$/)
    assert.match(end("aborted", refused, refusal("question")), /\nstopped: the question was dismissed\n$/)
    const budget = { name: "BudgetExceeded", message: "The budget of 1 USD is used." }
    assert.strictEqual(end("aborted", budget), "stopped: The budget of 1 USD is used.\n")
    const stopped = { name: "WorkerStopped", message: "The worker stopped." }
    assert.strictEqual(end("interrupted", stopped), "cut short: The worker stopped.\n")
  })

  it("skips unreadable parts", () => {
    assert.deepStrictEqual(shown(ended(TurnView.empty, [{ index: 0, kind: "text", payload: "{" }])), [""])
  })
})

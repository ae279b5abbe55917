import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { FinalPart, LiveTurn, PendingRequest, Segment } from "../src/api.ts"
import { TurnView } from "../src/index.ts"

const { answer, empty, end, live, requests } = TurnView

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- ids are strings
const sessionId = "session" as LiveTurn["sessionId"]
const running = (deltas: LiveTurn["deltas"], messageId: string | null = "msg_1"): LiveTurn => ({
  sessionId,
  status: "running",
  error: null,
  usage: null,
  answeredBy: null,
  messageId,
  deltas
})
const completed = {
  status: "completed" as const,
  error: null,
  usage: { input: 1, output: 2, reasoning: 3, cost: 0 },
  answeredBy: { model: "test/echo", agent: "build" }
}
const part = (index: number, kind: string, payload: object): FinalPart => ({
  index,
  kind,
  payload: JSON.stringify(payload)
})
const text = (partId: string, content: string): Segment => ({ partId, kind: "text", text: content })
const tool = (partId: string, status: string, output = "", more = {}): Segment => ({
  partId,
  kind: "tool",
  text: JSON.stringify({ tool: "bash", status, input: "{}", output, ...more })
})
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only these fields matter
const request = (requestId: string) => ({ requestId, subject: "rm -rf /" }) as PendingRequest

/** A turn with up to 5 blocks: ids are their positions. */
const Blocks = Schema.Array(
  Schema.Union([
    Schema.Struct({ kind: Schema.Literals(["text", "reasoning"]), text: Schema.String }),
    Schema.Struct({ kind: Schema.Literal("tool"), text: Schema.String }),
    Schema.Struct({ kind: Schema.Literal("agent"), text: Schema.String }),
    Schema.Struct({ kind: Schema.Literal("notice"), text: Schema.String })
  ])
).check(Schema.isMaxLength(5))
type Blocks = typeof Blocks.Type

const child = { sessionId: "ses_1", agent: "explore", task: "Look" }

const todos = (status: string): Segment => ({
  partId: "todos",
  kind: "todos",
  text: JSON.stringify([{ content: "Look", status, priority: "high" }])
})

/** Where to cut, and which block comes next: read as an endless list. */
const Choices = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 })))

const cycle = (choices: ReadonlyArray<number>) => {
  let at = 0
  return () => choices[at++ % choices.length] ?? 1
}

/** The segments of the blocks, their text cut into pieces, interleaved. */
const segmentsOf = (blocks: Blocks, choices: ReadonlyArray<number>): Array<Segment> => {
  const next = cycle(choices)
  const queues = blocks.map(({ kind, text: whole }, index): Array<Segment> => {
    const partId = String(index)
    if (kind === "notice") return [{ partId, kind, text: whole }]
    const pieces = (as: Segment["kind"]): Array<Segment> => {
      const cut: Array<Segment> = []
      for (let rest = whole; rest !== "";) {
        const size = next() + 1
        cut.push({ partId, kind: as, text: rest.slice(0, size) })
        rest = rest.slice(size)
      }
      return cut
    }
    if (kind === "agent") {
      return [
        tool(partId, "running", "", { child }),
        { partId, kind: "progress", text: JSON.stringify({ tools: 2, current: whole }) },
        tool(partId, "completed", whole, { child })
      ]
    }
    if (kind !== "tool") return pieces(kind)
    return [tool(partId, "running"), ...pieces("output"), tool(partId, "completed", whole), ...pieces("output")]
  })
  const segments: Array<Segment> = []
  for (let left = queues.filter(({ length }) => length > 0); left.length > 0;) {
    const segment = left[next() % left.length]?.shift()
    if (segment !== undefined) segments.push(segment)
    left = left.filter(({ length }) => length > 0)
  }
  return segments
}

const deltasOf = (segments: ReadonlyArray<Segment>, choices: ReadonlyArray<number>): LiveTurn["deltas"] => {
  const next = cycle(choices)
  const deltas: LiveTurn["deltas"] = []
  for (let at = 0; at < segments.length;) {
    const size = next() + 1
    deltas.push({ seq: deltas.length + 1, segments: segments.slice(at, at + size) })
    at += size
  }
  return deltas
}

/** Reads the deltas as after reconnects: each result begins at some earlier cursor. */
const readAll = (deltas: LiveTurn["deltas"], choices: ReadonlyArray<number>): TurnView.TurnView => {
  const next = cycle(choices)
  let view = empty
  while (view.cursor < deltas.length) {
    const { cursor } = view
    const from = Math.max(0, cursor - next())
    view = live(view, running(deltas.slice(from, cursor + 1 + next())))
    assert.isAbove(view.cursor, cursor)
  }
  return view
}

const partsOf = (blocks: Blocks): ReadonlyArray<FinalPart> =>
  blocks.map(({ kind, text: whole }, index) =>
    part(
      index,
      kind === "agent" ? "tool" : kind,
      kind === "tool" || kind === "agent"
        ? {
            id: String(index),
            tool: "bash",
            state: {
              status: "completed",
              input: { description: child.task, subagent_type: child.agent },
              output: whole,
              ...(kind === "agent" && { metadata: { sessionId: child.sessionId } })
            }
          }
        : { id: String(index), text: whole }
    )
  )

describe("TurnView", () => {
  it.prop("the final view depends only on the final parts", [Blocks, Blocks, Choices], ([shown, final, choices]) => {
    const before = readAll(deltasOf(segmentsOf(shown, choices), choices), choices)
    const parts = partsOf(final)
    assert.deepStrictEqual(end(before, completed, parts), end(empty, completed, parts))
  })

  it.prop("no text is lost or doubled, however deltas are split and read", [Blocks, Choices], ([blocks, choices]) => {
    const segments = segmentsOf(blocks, choices)
    const view = readAll(deltasOf(segments, choices), choices)
    for (const [index, { kind, text: whole }] of blocks.entries()) {
      const block = view.blocks.find(({ id }) => id === String(index))
      if (kind === "tool") assert.deepInclude(block, { kind, state: "completed", output: whole })
      else if (kind === "agent") assert.deepInclude(block, { kind, ...child, state: "completed", output: whole })
      else if (whole !== "" || kind === "notice") assert.deepInclude(block, { kind, text: whole })
      else assert.isUndefined(block)
    }
    assert.strictEqual(new Set(view.blocks.map(({ id }) => id)).size, view.blocks.length)
  })

  it.prop("blocks that did not change stay the same objects", [Blocks, Choices], ([blocks, choices]) => {
    const view = readAll(deltasOf(segmentsOf(blocks, choices), choices), choices)
    const next = live(view, running([{ seq: view.cursor + 1, segments: [text("another", "more")] }]))
    for (const [index, block] of view.blocks.entries()) assert.strictEqual(next.blocks[index], block)
    const ended = end(view, completed, partsOf(blocks))
    for (const block of ended.blocks) {
      const shown = view.blocks.find(({ id }) => id === block.id)
      if (JSON.stringify(shown) === JSON.stringify(block)) assert.strictEqual(block, shown)
    }
  })

  it("deltas that were already applied return the same view", () => {
    const deltas = [{ seq: 1, segments: [text("a", "one")] }]
    const view = live(empty, running(deltas))
    assert.strictEqual(live(view, running(deltas)), view)
  })

  it("starts again when the prompt was queued again, so that deltas with lower numbers are read", () => {
    const notice: Segment = { partId: "n", kind: "notice", text: "Waiting" }
    const view = live(empty, running([{ seq: 1, segments: [notice] }]))
    const queued = live(view, { ...running([], null), status: "queued" })
    assert.deepStrictEqual(queued, empty)
    assert.deepStrictEqual(live(view, running([], "msg_2")), { ...empty, status: "running" })
    const again = live(queued, running([{ seq: 1, segments: [text("a", "one")] }], "msg_2"))
    assert.strictEqual(answer(again), "one")
    const claimed = live(empty, running([]))
    assert.strictEqual(answer(live(claimed, running([{ seq: 1, segments: [text("a", "one")] }], "msg_2"))), "one")
  })

  it("shows a tool where its call began, with its title", () => {
    const segments = [tool("t", "running"), text("a", "hm"), tool("t", "completed", "out", { title: "List files" })]
    const [first, second] = live(empty, running([{ seq: 1, segments }])).blocks
    assert.deepInclude(first, { kind: "tool", state: "completed", title: "List files", output: "out" })
    assert.deepInclude(second, { kind: "text", text: "hm" })
  })

  it.prop(
    "shows the end of the output of a running tool, however it is cut",
    [Schema.String, Choices],
    ([piece, choices]) => {
      const output = `${piece}\n`.repeat(3_000)
      const next = cycle(choices)
      const segments: Array<Segment> = [tool("t", "running")]
      for (let at = 0; at < output.length;) {
        const size = 500 * (next() + 1)
        segments.push({ partId: "t", kind: "output", text: output.slice(at, at + size) })
        at += size
      }
      const deltas = segments.map((segment, index) => ({ seq: index + 1, segments: [segment] }))
      const [block] = readAll(deltas, choices).blocks
      const shown = block?.kind === "tool" ? block.output : ""
      assert.isTrue(output.endsWith(shown))
      assert.isAtLeast(shown.length, Math.min(output.length, 4_095))
      assert.isAtMost(shown.length, 4_096)
    }
  )

  it("keeps the output when the title of a running tool changes, and ignores output of a tool that has ended", () => {
    const output: Segment = { partId: "t", kind: "output", text: "one\n" }
    const started = [tool("t", "running"), output, tool("t", "running", "", { title: "List" })]
    const view = live(empty, running([{ seq: 1, segments: started }]))
    assert.deepInclude(view.blocks[0], { title: "List", output: "one\n", duration: null })
    const ended = live(view, running([{ seq: 2, segments: [tool("t", "completed", "all", { duration: 7 }), output] }]))
    assert.deepInclude(ended.blocks[0], { output: "all", duration: 7 })
    const unknown = live(empty, running([{ seq: 1, segments: [output] }]))
    assert.deepStrictEqual(unknown.blocks, [])
  })

  it("shows a sub-agent with its progress, and the list as it is now", () => {
    const segments: ReadonlyArray<Segment> = [
      todos("pending"),
      tool("t", "running", "", { child }),
      { partId: "t", kind: "progress", text: JSON.stringify({ tools: 3, current: "read a.ts" }) },
      todos("completed")
    ]
    const view = live(empty, running([{ seq: 1, segments: [...segments] }]))
    assert.deepStrictEqual(view.blocks, [
      { kind: "todos", id: "todos", todos: [{ content: "Look", status: "completed", priority: "high" }] },
      {
        kind: "agent",
        id: "t",
        ...child,
        state: "running",
        output: "",
        duration: null,
        progress: { tools: 3, current: "read a.ts" }
      }
    ])
    const state = {
      status: "completed",
      input: { todos: [{ content: "Look" }] },
      output: "",
      time: { start: 1, end: 5 }
    }
    const ended = end(view, completed, [part(0, "tool", { id: "w", tool: "todowrite", state }), part(1, "text", {})])
    assert.deepStrictEqual(
      ended.blocks.map(({ kind }) => kind),
      ["tool", "todos", "text"]
    )
    assert.deepInclude(ended.blocks[0], { duration: 4 })
    assert.deepInclude(ended.blocks[1], { todos: [{ content: "Look", status: "", priority: "" }] })
  })

  it("says until when the turn waits", () => {
    const retry: Segment = { partId: "n", kind: "notice", text: "Waiting", name: "Retry", until: 1_000 }
    const [block] = live(empty, running([{ seq: 1, segments: [retry] }])).blocks
    assert.deepStrictEqual(block, { kind: "notice", id: "n", name: "Retry", text: "Waiting", until: 1_000 })
  })

  it("a notice moves to the end when it is repeated", () => {
    const notice: Segment = { partId: "n", kind: "notice", text: "Waiting for the session" }
    const view = live(empty, running([{ seq: 1, segments: [notice, text("a", "x"), { ...notice, text: "Again" }] }]))
    assert.deepStrictEqual(
      view.blocks.map(({ kind }) => kind),
      ["text", "notice"]
    )
  })

  it("shows requests while they wait", () => {
    const view = requests(live(empty, running([{ seq: 1, segments: [text("a", "x")] }])), [request("r")])
    assert.strictEqual(requests(view, [request("r")]), view)
    assert.strictEqual(view.blocks.at(-1)?.kind, "request")
    assert.deepStrictEqual(
      requests(view, []).blocks.map(({ kind }) => kind),
      ["text"]
    )
    assert.strictEqual(end(view, completed, []).blocks.length, 0)
  })

  it("ends with the outcome, the usage and who answered, and ignores what comes later", () => {
    const view = end(empty, completed, [part(0, "text", { text: "one" }), part(1, "text", { text: "two" })])
    assert.deepStrictEqual(view.end, {
      outcome: "completed",
      error: null,
      usage: completed.usage,
      answeredBy: completed.answeredBy,
      isWhole: true
    })
    assert.strictEqual(answer(view), "one\n\ntwo")
    assert.strictEqual(live(view, running([{ seq: 9, segments: [text("a", "x")] }])), view)
    assert.strictEqual(requests(view, [request("r")]), view)
  })

  it("an answer that was cut off is not whole", () => {
    for (const name of ["OutputLimit", "EmptyAnswer"])
      assert.isFalse(end(empty, completed, [part(0, "notice", { name, text: "…" })]).end.isWhole)
    assert.isTrue(end(empty, completed, [part(0, "notice", { name: "Compacted", text: "…" })]).end.isWhole)
    assert.isFalse(end(empty, { ...completed, status: "failed" }, []).end.isWhole)
  })

  it("shows the files of the answer and of its tools by the ids of the storage", () => {
    const attachments = [{ type: "file", mime: "image/png", url: "storage:s2" }]
    const state = { status: "completed", input: {}, output: "Image read", attachments }
    const { blocks } = end(empty, completed, [
      part(0, "file", { id: "f", filename: "a.png", mime: "image/png", url: "storage:s1" }),
      part(1, "file", { id: "g", filename: "b.bin", url: "omitted:20000000" }),
      part(2, "tool", { id: "t", tool: "read", state }),
      part(3, "tool", { id: "u", tool: "read", state: { ...state, attachments: "none" } })
    ])
    assert.deepStrictEqual<ReadonlyArray<unknown>>(
      blocks.map((block) => (block.kind === "file" ? block.file : block.kind === "tool" ? block.files : block)),
      [
        { name: "a.png", type: "image/png", storageId: "s1" },
        { name: "b.bin", type: "application/octet-stream", storageId: null },
        [{ name: "file", type: "image/png", storageId: "s2" }],
        []
      ]
    )
  })

  it("keeps parts of other kinds, and passes over payloads that are not JSON", () => {
    const [patch, broken] = end(empty, completed, [
      part(0, "patch", { id: "f", files: ["a.ts"] }),
      { index: 1, kind: "text", payload: "{" }
    ]).blocks
    assert.deepInclude(patch, { kind: "other", type: "patch", part: { id: "f", files: ["a.ts"] } })
    assert.deepInclude(broken, { kind: "text", id: "1", text: "" })
  })

  it.each([
    ["completed", "completed"],
    ["error", "error"],
    ["pending", "running"]
  ] as const)("shows a tool with the status %s as %s", (status, state) => {
    const [block] = live(empty, running([{ seq: 1, segments: [tool("t", status)] }])).blocks
    assert.deepInclude(block, { kind: "tool", state })
  })

  it("passes over a payload that is null", () => {
    const [block] = end(empty, completed, [{ index: 0, kind: "text", payload: "null" }]).blocks
    assert.deepInclude(block, { kind: "text", text: "" })
  })
})

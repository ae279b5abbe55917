import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { MAX_HEAD, MAX_OUTLINE_ENTRY } from "../convex/limits.ts"
import { outlineOf } from "../convex/outline.ts"
import { api, type Id } from "../src/api.ts"
import { enlist, eventually, ids, newSession, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

/** Text with the characters that are long as JSON or in UTF-8. */
const Text = Schema.Array(Schema.Literals(["a", "好", "😀", '"', "\n", "\u0001", "\ud800"]))
const Payload = Schema.Struct({
  id: Text,
  kind: Text,
  tool: Text,
  title: Text,
  text: Text,
  status: Text,
  child: Text,
  start: Schema.Number,
  end: Schema.Number
})
const many = (text: ReadonlyArray<string>) => text.join("").repeat(40)

describe("an entry of the outline", () => {
  it.prop("has at most 300 bytes and well-formed text, whatever its part has", [Payload], ([given]) => {
    const { child, id, kind, status, text, title, tool } = given
    const payload = JSON.stringify({
      id: many(id),
      text: many(text),
      tool: many(tool),
      time: given,
      state: { title: many(title), status: many(status), input: many(text), metadata: { sessionId: child.join("") } }
    })
    for (const each of [many(kind) || "text", "tool", "text"]) {
      const [entry] = outlineOf([{ index: 1_999, kind: each, payload }])
      assert.isDefined(entry)
      // As a deployment may write numbers.
      const json = JSON.stringify(entry, (_, value: unknown) => (typeof value === "number" ? `${value}.0` : value))
      assert.isAtMost(Buffer.byteLength(json), MAX_OUTLINE_ENTRY)
      for (const value of Object.values(entry ?? {})) if (typeof value === "string") assert.isTrue(value.isWellFormed())
    }
  })

  it("describes a text, a tool call, a sub-agent, an error and a file", () => {
    const time = { start: 10, end: 1_510 }
    const parts = [
      { type: "step-start", id: "prt_0" },
      { type: "text", id: "prt_1", text: "x".repeat(500), time },
      {
        type: "tool",
        id: "prt_2",
        tool: "bash",
        state: { status: "completed", title: "List", input: { command: "ls" }, time, attachments: [{}, {}] }
      },
      {
        type: "tool",
        id: "prt_3",
        tool: "task",
        state: { status: "completed", input: {}, metadata: { sessionId: "ses_1" } }
      },
      { type: "tool", id: "prt_4", tool: "read", state: { status: "error", input: {}, error: "No such file" } },
      { type: "file", id: "prt_5", filename: "a.png", mime: "image/png" },
      { type: "notice", text: "Hm" }
    ]
    const entries = outlineOf(parts.map((part, index) => ({ index, kind: part.type, payload: JSON.stringify(part) })))
    assert.deepStrictEqual(
      entries.map(({ bytes: _bytes, ...entry }) => entry),
      [
        { index: 1, id: "prt_1", kind: "text", duration: 1_500, head: "x".repeat(entries[0]?.head.length ?? 0) },
        {
          index: 2,
          id: "prt_2",
          kind: "tool",
          tool: "bash",
          status: "completed",
          duration: 1_500,
          files: 2,
          title: "List",
          head: '{"command":"ls"}'
        },
        { index: 3, id: "prt_3", kind: "tool", tool: "task", status: "completed", child: "ses_1", head: "{}" },
        { index: 4, id: "prt_4", kind: "tool", tool: "read", status: "error", head: "No such file" },
        { index: 5, id: "prt_5", kind: "file", title: "a.png", head: "image/png" },
        { index: 6, id: "6", kind: "notice", head: "Hm" }
      ]
    )
    assert.isAbove(entries[0]?.head.length ?? 0, 150)
    assert.strictEqual(entries[0]?.bytes, Buffer.byteLength(JSON.stringify(parts[1])))
    assert.deepInclude(outlineOf([{ index: 0, kind: "text", payload: "{" }])[0], { id: "0", head: "" })
  })
})

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId)
  return {
    operator,
    worker,
    sessionId,
    list: async () =>
      (await operator.query(api.turns.list, { sessionId, paginationOpts: { numItems: 20, cursor: null } })).page,
    outline: (turnId: Id<"turns">, order: "asc" | "desc", cursor: string | null = null) =>
      operator.query(api.turns.outline, { turnId, order, paginationOpts: { numItems: 100, cursor } }),
    part: (turnId: Id<"turns">, index: number) => operator.query(api.turns.part, { turnId, index }),
    finish: async (turnId: Id<"turns">, count: number) => {
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
      const parts = Array.from({ length: count }, (_, index) => {
        const kind = index % 2 === 0 ? "step-start" : "text"
        return { index, kind, payload: JSON.stringify({ id: `prt_${index}`, text: `${index}`.repeat(100) }) }
      })
      await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts })
    }
  }
}

describe("the outline of a turn", () => {
  it("is read in pages from both ends, and its parts one by one", async () => {
    const { finish, list, operator, outline, part, sessionId } = await setUp()
    const turnId = await send(operator, sessionId)
    assert.deepStrictEqual((await outline(turnId, "asc")).page, [])
    assert.deepInclude((await list())[0], { parts: 0, version: null })
    await finish(turnId, 300)
    const [turn] = await list()
    assert.strictEqual(turn?.parts, 150)
    assert.isNotNull(turn?.version)
    const first = await outline(turnId, "desc")
    const second = await outline(turnId, "desc", first.continueCursor)
    assert.deepStrictEqual(
      [...first.page, ...second.page].map(({ index }) => index),
      Array.from({ length: 150 }, (_, index) => 299 - 2 * index)
    )
    assert.strictEqual((await outline(turnId, "asc")).page[0]?.id, "prt_1")
    assert.deepStrictEqual(await part(turnId, 299), {
      index: 299,
      kind: "text",
      payload: JSON.stringify({ id: "prt_299", text: "299".repeat(100) })
    })
    assert.isNull(await part(turnId, 300))
  })

  it("exists for imported turns, too, and is deleted with its session", async () => {
    const { list, operator, outline, sessionId, worker } = await setUp()
    const parts = [{ index: 0, kind: "text", payload: JSON.stringify({ text: "From OpenCode" }) }]
    const text = "好".repeat(MAX_HEAD + 1)
    const turns = [{ messageId: "m", text, askedAt: 1, finishedAt: 2, outcome: "completed" as const, parts }]
    await operator.mutation(api.history.add, { ...worker, sessionId, turns })
    const [turn] = await list()
    assert.deepInclude(turn, { parts: 1, head: "好".repeat(MAX_HEAD), length: MAX_HEAD + 1 })
    const turnId = turn?.turnId
    assert.isDefined(turnId)
    if (turnId === undefined) return
    assert.strictEqual((await outline(turnId, "asc")).page[0]?.head, "From OpenCode")
    assert.deepStrictEqual(await operator.query(api.turns.prompt, { turnId }), { text })
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: randomUUID() })
    await eventually(
      () => operator.query(api.sessions.get, { sessionId }),
      (session) => session === null
    )
  })
})

describe("a prompt", () => {
  it("has a head in lists, and its whole text for the worker, for a reader and when it is sent again", async () => {
    const { finish, list, operator, sessionId, worker } = await setUp()
    const text = `${"x".repeat(MAX_HEAD - 1)}😀${"y".repeat(100_000)}`
    const key = { sessionId, text, idempotencyKey: "1" }
    const turnId = await operator.mutation(api.turns.send, key)
    assert.strictEqual(await operator.mutation(api.turns.send, key), turnId)
    assert.deepInclude((await list())[0], { head: "x".repeat(MAX_HEAD - 1), length: text.length })
    const claimed = await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
    assert.strictEqual(claimed?.text, text)
    await finish(turnId, 0)
    const again = await operator.mutation(api.turns.resend, { turnId, idempotencyKey: "2" })
    assert.deepStrictEqual(await operator.query(api.turns.prompt, { turnId: again }), { text })
  })
})

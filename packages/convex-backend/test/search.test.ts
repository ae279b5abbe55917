/** Search over the turns of an operator. */
import { randomUUID } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { MAX_SEARCH, MAX_SEARCH_RESULTS, MAX_SNIPPET, SEARCHED } from "../convex/limits.ts"
import { searchTextsOfParts, snippetOf } from "../convex/searchText.ts"
import type { SearchKind } from "../convex/validators.ts"
import { api, type Id } from "../src/api.ts"
import { enlist, eventually, ids, newSession, refusalOf, send, useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const toParts = (parts: ReadonlyArray<Record<string, unknown> & { readonly type: string }>) =>
  parts.map((part, index) => ({ index, kind: part.type, payload: JSON.stringify(part) }))

const answer = toParts([
  { type: "reasoning", text: "Thinking of pineapples" },
  { type: "text", text: "I look for it." },
  {
    type: "tool",
    tool: "read",
    state: { title: "Configuration", input: { filePath: "/home/me/app/vitest.config.ts" }, output: "secret contents" }
  },
  { type: "text", text: "The timeout is too short." }
])

const setUp = async () => {
  const operator = await deployment().operator()
  const worker = await enlist(operator)
  const sessionId = await newSession(operator, worker.workerId, "Slow tests")
  const search = (
    text: string,
    within: { workerId?: Id<"workers">; sessionId?: Id<"sessions">; kind?: SearchKind } = {}
  ) => operator.query(api.search.find, { text, ...within })
  return {
    operator,
    worker,
    sessionId,
    search,
    /** The turns that are found. */
    found: async (...args: Parameters<typeof search>) => (await search(...args)).map(({ turnId }) => turnId),
    run: async (text: string, parts: typeof answer, session = sessionId) => {
      const turnId = await send(operator, session, text)
      await operator.mutation(api.queue.claim, { ...worker, turnId, ...ids })
      await operator.mutation(api.queue.finish, { ...worker, turnId, outcome: "completed", parts })
      return turnId
    }
  }
}

describe("a search", () => {
  it("finds a turn by its prompt, its answer, and the titles and paths of its tool calls", async () => {
    const { found, run, search, sessionId, worker } = await setUp()
    const turnId = await run("Which tests are slow?", answer)
    await run("Something else", [])
    for (const text of ["SLOW", "timeout", "configuration", "vitest.config.ts", "home/me", "tim", "look"]) {
      assert.deepStrictEqual(await found(text), [turnId], text)
    }
    for (const text of ["pineapples", "secret contents", "imeout", "?!"]) {
      assert.deepStrictEqual(await found(text), [], text)
    }
    const [{ at, ...result } = { at: 0 }] = await search("timeout")
    assert.isAbove(at, 0)
    assert.deepStrictEqual(result, {
      sessionId,
      turnId,
      workerId: worker.workerId,
      title: "Slow tests",
      kind: "answer",
      snippet: "The timeout is too short. I look for it."
    })
  })

  it("finds a turn once, or by one of its parts only", async () => {
    const { found, run, search } = await setUp()
    const parts = toParts([
      { type: "text", text: "A banana is a berry" },
      { type: "tool", tool: "read", state: { title: "Read banana", input: { filePath: "/banana.md" } } },
      { type: "file", filename: "banana.png", mime: "image/png" }
    ])
    const turnId = await run("What is a banana?", parts)
    assert.deepStrictEqual(await found("banana"), [turnId])
    const snippets = {
      prompt: "What is a banana?",
      answer: "A banana is a berry",
      tool: "Read banana",
      path: "/banana.md banana.png"
    } as const
    for (const kind of ["prompt", "answer", "tool", "path"] as const) {
      const [result, ...others] = await search("banana", { kind })
      assert.deepInclude(result, { turnId, kind, snippet: snippets[kind] })
      assert.lengthOf(others, 0)
    }
    assert.deepStrictEqual(await found("berry", { kind: "prompt" }), [])
    assert.deepStrictEqual(await found("berry", { kind: "path" }), [])
  })

  it("finds turns of an earlier version, and after maintenance by their parts, too", async () => {
    const { operator, run, search, sessionId } = await setUp()
    const [ended, queued] = [await run("Which tests are slow?", answer), await send(operator, sessionId, "A timeout?")]
    const text = "Which tests are slow?\nThe timeout is too short.\nConfiguration"
    await deployment().replace("searchTexts", ({ kind, ...row }) => {
      if (row["turnId"] === queued) return [row]
      if (row["turnId"] !== ended) return [{ ...row, kind }]
      return kind === "prompt" ? [{ ...row, text }] : []
    })
    const found = async (kind?: SearchKind) =>
      (await search("timeout", kind === undefined ? {} : { kind })).map((result) => [result.turnId, result.kind])
    assert.sameDeepMembers(await found(), [
      [ended, null],
      [queued, null]
    ])
    assert.deepStrictEqual(await found("answer"), [])
    await deployment().run("maintenance:splitSearchTexts", {})
    await eventually(
      () => found(),
      (all) => all.every(([, kind]) => kind !== null)
    )
    assert.deepStrictEqual(await found("answer"), [[ended, "answer"]])
    assert.deepStrictEqual(await found("prompt"), [[queued, "prompt"]])
    assert.lengthOf(await search("vitest.config.ts", { kind: "path" }), 1)
  })

  it("finds queued prompts as they are now, and imported turns", async () => {
    const { found, operator, sessionId, worker } = await setUp()
    const turnId = await send(operator, sessionId, "Paint it green")
    assert.deepStrictEqual(await found("green"), [turnId])
    await operator.mutation(api.promptQueue.edit, { turnId, text: "Paint it purple" })
    assert.deepStrictEqual(await found("green"), [])
    assert.deepStrictEqual(await found("purple"), [turnId])
    await operator.mutation(api.promptQueue.drop, { turnId })
    assert.deepStrictEqual(await found("purple"), [])
    const imported = { messageId: "m", askedAt: 1, finishedAt: 2, outcome: "completed" as const }
    const turns = [{ ...imported, text: "From the terminal", parts: answer }]
    await operator.mutation(api.history.add, { ...worker, sessionId, turns })
    for (const text of ["terminal", "timeout"]) {
      const [result, ...others] = await operator.query(api.search.find, { text })
      assert.deepInclude(result, { sessionId, at: 1 })
      assert.lengthOf(others, 0)
    }
  })

  it("finds the turns of its operator only, of one worker or one session", async () => {
    const { found, operator, run, sessionId, worker } = await setUp()
    const other = await newSession(operator, worker.workerId)
    const [first, second] = [await run("banana", answer), await run("banana", answer, other)]
    assert.sameMembers(await found("banana"), [first, second])
    assert.deepStrictEqual(await found("banana", { sessionId }), [first])
    assert.sameMembers(await found("banana", { workerId: worker.workerId }), [first, second])
    assert.deepStrictEqual(await found("banana", { workerId: (await enlist(operator)).workerId }), [])
    const stranger = await setUp()
    const stolen = { workerId: worker.workerId, sessionId }
    for (const within of [{}, stolen]) assert.deepStrictEqual(await stranger.found("banana", within), [])
  })

  it("finds nothing of a deleted session", async () => {
    const { found, operator, run, sessionId } = await setUp()
    await run("banana", answer)
    await operator.mutation(api.sessions.remove, { sessionId, idempotencyKey: randomUUID() })
    assert.deepStrictEqual(await found("banana"), [])
    await eventually(
      () => operator.query(api.sessions.get, { sessionId }),
      (session) => session === null
    )
    assert.deepStrictEqual(await found("banana"), [])
  })

  it("has a limited text and number of results", async () => {
    const { operator, search, sessionId } = await setUp()
    for (const text of ["", "x".repeat(MAX_SEARCH + 1)])
      assert.strictEqual(await refusalOf(search(text)), "InvalidArgument")
    for (let count = 0; count <= MAX_SEARCH_RESULTS; count++) await send(operator, sessionId, "banana")
    assert.lengthOf(await search("banana"), MAX_SEARCH_RESULTS)
  })
})

describe("the text by which a turn is found", () => {
  it("has the result of a long answer, and room for its calls", () => {
    const long = "word ".repeat(1_000)
    const paths = Array.from({ length: 600 }, (_, index) => `/a/${index % 300}.ts`)
    const calls = paths.map((path) => ({ type: "tool", tool: "read", state: { input: { path } } }))
    const parts = toParts([{ type: "text", text: long }, ...calls, { type: "text", text: "Done 😀" }])
    const [words, files] = searchTextsOfParts(parts)
    assert.match(words?.text ?? "", /^Done 😀\nword /)
    assert.strictEqual(words?.text.length, SEARCHED.answer)
    assert.match(files?.text ?? "", /^\/a\/0.ts\n\/a\/1.ts\n/)
    assert.strictEqual(files?.text.length, SEARCHED.path)
    const kinds = [
      { type: "patch", files: ["src/a.ts", "src/b.ts"] },
      { type: "file", filename: "a.png" },
      { type: "notice", text: "Hm" },
      { type: "step-start" }
    ]
    assert.deepStrictEqual(searchTextsOfParts(toParts(kinds)), [
      { kind: "answer", text: "Hm" },
      { kind: "path", text: "src/a.ts\nsrc/b.ts\na.png" }
    ])
    assert.deepStrictEqual(searchTextsOfParts([{ index: 0, kind: "tool", payload: "{" }]), [])
  })

  const Text = Schema.Array(Schema.Literals(["a", "b ", "好", "😀", "\n", "\u001b", "\u202e", "\ud800", "(", "\\"]))
  it.prop("has a snippet of one line with at most 200 characters", [Text, Text], ([found, searched]) => {
    const snippet = snippetOf(found.join("").repeat(80), searched.join(""))
    assert.isAtMost(snippet.length, MAX_SNIPPET)
    assert.notMatch(snippet, /[\p{Cc}\u202e]/u)
  })

  it("has a snippet around the whole search, or around one of its words", () => {
    const text = `the ${"x ".repeat(300)}THE Timeout ${"y ".repeat(300)}zebra`
    const snippet = snippetOf(text, "the timeout")
    assert.include(snippet, "x THE Timeout y")
    assert.match(snippet, /^….*…$/)
    assert.isTrue(snippetOf(text, "the end").startsWith("the x"))
    assert.include(snippetOf(text, "end tim"), "Timeout")
    assert.isTrue(snippetOf(text, "zeb").endsWith(" y zebra"))
  })
})

import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Schema } from "effect"
import { demoPrompt, demoScript, Reply, type Script, ScriptedProvider } from "../src/index.ts"
import { until } from "./support/openCode.ts"

type Provider = ScriptedProvider["Service"]

const user = (content: string) => ({ role: "user", content })

/** A conversation's record of a call and of its result. */
const call = (id: string) => ({
  role: "assistant",
  content: null,
  tool_calls: [{ id, type: "function", function: { name: "bash", arguments: "{}" } }]
})
const result = (id: string) => ({ role: "tool", tool_call_id: id, content: `of ${id}` })

/** A call as the provider sends it. */
const sentCall = (index: number, name: string, args: string) => ({
  index,
  id: `call_1_${index}`,
  type: "function",
  function: { name, arguments: args }
})

const post = (provider: Provider, body: object | string) =>
  Effect.tryPromise((signal) =>
    fetch(`${provider.url}/chat/completions`, {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify({ model: "echo", ...body }),
      signal
    })
  )

/** The `data:` payloads of a streamed answer, as they came. */
const frames = Effect.fnUntraced(function* (provider: Provider, body: object) {
  const response = yield* post(provider, { stream: true, ...body })
  assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
  const text = yield* Effect.tryPromise(() => response.text())
  return text.split("\n\n").flatMap((frame) => (frame === "" ? [] : [frame.replace("data: ", "")]))
})

const Chunk = Schema.fromJsonString(
  Schema.Struct({
    choices: Schema.Array(
      Schema.Struct({
        delta: Schema.Struct({
          content: Schema.optionalKey(Schema.String),
          tool_calls: Schema.optionalKey(Schema.Array(Schema.Unknown))
        }),
        finish_reason: Schema.NullOr(Schema.String)
      })
    )
  })
)
const decodeChunk = Schema.decodeUnknownEffect(Chunk)

/** The text pieces of a streamed answer, and how it ended. */
const streamed = Effect.fnUntraced(function* (provider: Provider, body: object) {
  const lines = yield* frames(provider, body)
  assert.strictEqual(lines.at(-1), "[DONE]")
  const chunks = yield* Effect.forEach(lines.slice(0, -1), (line) => decodeChunk(line))
  const choices = chunks.flatMap((chunk) => chunk.choices)
  return {
    content: choices.flatMap(({ delta }) => delta.content ?? []),
    tools: choices.flatMap(({ delta }) => delta.tool_calls ?? []),
    finish: choices.at(-1)?.finish_reason
  }
})

describe("ScriptedProvider", () => {
  it.live("streams a text in the requested number of pieces, then its end and its usage", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() =>
        Reply.withUsage(Reply.text("abcdef", { chunks: 3 }), {
          promptTokens: 5,
          completionTokens: 2
        })
      )
      const body = { messages: [user("x")] }
      assert.deepStrictEqual(yield* streamed(provider, body), {
        content: ["ab", "cd", "ef"],
        tools: [],
        finish: "stop"
      })
      const usage = (yield* frames(provider, body)).at(-2) ?? ""
      assert.include(usage, `"prompt_tokens":5,"completion_tokens":2,"total_tokens":7`)
    })
  )

  it.live("responds with one document without streaming", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() =>
        Reply.sequence([
          Reply.reasoning("hm"),
          Reply.text("both "),
          Reply.toolCall("a", { x: 1 }),
          Reply.toolCall("b", {})
        ])
      )
      const response = yield* post(provider, { messages: [user("x")] })
      const body = yield* Effect.tryPromise(() => response.text())
      assert.deepStrictEqual(JSON.parse(body).choices, [
        {
          index: 0,
          message: {
            role: "assistant",
            content: "both ",
            reasoning_content: "hm",
            tool_calls: [sentCall(0, "a", `{"x":1}`), sentCall(1, "b", "{}")]
          },
          finish_reason: "tool_calls"
        }
      ])
    })
  )

  it.live("passes the script the conversation, and only the tool results of this turn", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() => Reply.text("ok"))
      yield* streamed(provider, {
        tools: [{ type: "function", function: { name: "bash" } }],
        messages: [
          user("first"),
          call("old"),
          result("old"),
          { role: "user", content: [{ type: "text", text: "second" }, { type: "image_url" }] },
          call("new"),
          result("new")
        ]
      })
      const [request] = yield* provider.requests
      assert.deepStrictEqual(request?.prompts, ["first", "second"])
      assert.strictEqual(request?.lastUserText, "second")
      assert.deepStrictEqual(request?.toolNames, ["bash"])
      assert.deepStrictEqual(request?.toolResults, [{ callId: "new", name: "bash", args: "{}", output: "of new" }])
    })
  )

  it.live("counts title requests separately, answers them itself, and keeps the newest requests only", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(({ ordinal }) => Reply.text(`n${ordinal}`), {
        keep: 2
      })
      const title = { role: "system", content: "You are a title generator. Be short." }
      yield* streamed(provider, { messages: [user("a")] })
      const titled = yield* streamed(provider, { messages: [title, user("a")] })
      assert.deepStrictEqual(titled.content, ["Scripted", " session"])
      const second = yield* streamed(provider, { messages: [user("b")] })
      assert.deepStrictEqual(second.content, ["n2"])
      assert.deepStrictEqual(
        (yield* provider.requests).map(({ kind, ordinal }) => `${kind} ${ordinal}`),
        ["title 1", "chat 2"]
      )
      assert.deepInclude(yield* provider.stats, { chats: 2, titles: 1, active: 0 })
    })
  )

  it.live("lists its models, and configures OpenCode with the same models", () =>
    Effect.gen(function* () {
      const models = ["small", "vendor/large"]
      const provider = yield* ScriptedProvider.make(() => Reply.text(""), { models })
      const response = yield* Effect.tryPromise(() => fetch(`${provider.url}/models`))
      const listed = JSON.parse(yield* Effect.tryPromise(() => response.text()))
      assert.deepStrictEqual(
        listed.data.map(({ id }: { id: string }) => id),
        models
      )
      assert.strictEqual(provider.config.model, "scripted/small")
      assert.include(JSON.stringify(provider.config.provider), `"vendor/large":{`)
      assert.strictEqual((yield* provider.stats).modelLists, 1)
    })
  )

  it.live("rejects invalid requests with a status that no client retries", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() => {
        throw new Error("a mistake in the script")
      })
      const failed = yield* post(provider, { messages: [] })
      assert.strictEqual(failed.status, 400)
      assert.include(yield* Effect.tryPromise(() => failed.text()), "a mistake in the script")
      const malformed = yield* post(provider, "{")
      assert.strictEqual(malformed.status, 400)
      assert.include(yield* Effect.tryPromise(() => malformed.text()), "Not a chat completions")
      const unknown = yield* Effect.tryPromise(() => fetch(`${provider.url}/embeddings`))
      assert.strictEqual(unknown.status, 404)
    })
  )

  it.live("sends the status and retry-after of the script", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() => Reply.status(429, { retryAfter: "1500 millis" }))
      const response = yield* post(provider, { messages: [user("x")] })
      assert.strictEqual(response.status, 429)
      assert.strictEqual(response.headers.get("retry-after"), "2")
    })
  )

  it.live("drops the connection only after the pieces before it arrived", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() => Reply.drop(2))
      const response = yield* post(provider, { stream: true, messages: [user("x")] })
      let received = ""
      const failure = yield* Effect.flip(
        Effect.tryPromise(async () => {
          for await (const chunk of response.body ?? []) received += Buffer.from(chunk).toString()
        })
      )
      assert.match(String(failure.cause), /terminated/)
      assert.strictEqual(received.split("lost ").length - 1, 2)
      assert.notInclude(received, "[DONE]")
    })
  )

  it.live("hangs without a byte until the client leaves", () =>
    Effect.gen(function* () {
      const provider = yield* ScriptedProvider.make(() => Reply.hang)
      const client = yield* Effect.forkChild(post(provider, { stream: true, messages: [user("x")] }))
      yield* until(provider, ({ active }) => active === 1)
      assert.isUndefined(client.pollUnsafe())
      yield* Fiber.interrupt(client)
      yield* until(provider, ({ active }) => active === 0)
    })
  )

  it.live("holds a reply at a wait, and lets the next script answer later requests", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const provider = yield* ScriptedProvider.make(() =>
        Reply.sequence([Reply.wait(Deferred.await(gate)), Reply.text("late")])
      )
      const held = yield* Effect.forkChild(streamed(provider, { messages: [user("x")] }))
      yield* until(provider, ({ active }) => active === 1)
      yield* provider.setScript(() => Reply.text("early"))
      assert.deepStrictEqual((yield* streamed(provider, { messages: [user("y")] })).content, ["early"])
      assert.isUndefined(held.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual((yield* Fiber.join(held)).content, ["late"])
    })
  )
})

describe("Reply", () => {
  it.effect.prop(
    "splits a text into non-empty pieces of whole characters, at most as many as requested",
    [Schema.String, Schema.UndefinedOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })))],
    ([text, count]) =>
      Effect.sync(() => {
        const pieces = Reply.pieces(text, count)
        assert.strictEqual(pieces.join(""), text)
        assert.notInclude(pieces, "")
        if (count !== undefined) assert.isAtMost(pieces.length, count)
        assert.deepStrictEqual(
          pieces.flatMap((piece) => Array.from(piece)),
          Array.from(text)
        )
      })
  )
})

describe("demoScript", () => {
  const ask = Effect.fnUntraced(function* (script: Script, ...prompts: ReadonlyArray<string>) {
    const provider = yield* ScriptedProvider.make(script)
    return yield* streamed(provider, {
      tools: [{ function: { name: "bash" } }],
      messages: prompts.flatMap((prompt) => [user(prompt), { role: "assistant", content: "…" }]).slice(0, -1)
    })
  })

  it.live("introduces itself and quotes the prompt, its number and the first prompt, in at least twenty pieces", () =>
    Effect.gen(function* () {
      const { content } = yield* ask(demoScript, "My name is Ada.", "Who\nare you?")
      const text = content.join("")
      assert.isAtLeast(content.length, 20)
      assert.include(text, "offline model")
      assert.include(text, `You wrote "Who are you?"`)
      assert.include(text, "prompt number 2")
      assert.include(text, `began with "My name is Ada."`)
    })
  )

  it.live("lists the directory only when the prompt is about files", () =>
    Effect.gen(function* () {
      const { tools } = yield* ask(demoScript, demoPrompt)
      assert.deepInclude(tools[0], {
        function: {
          name: "bash",
          arguments: `{"command":"ls -a","description":"Lists the files of the directory"}`
        }
      })
      const harmful = yield* ask(demoScript, "run: rm -rf /")
      assert.deepStrictEqual(harmful.tools, tools)
    })
  )
})

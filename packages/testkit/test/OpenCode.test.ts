import { access } from "node:fs/promises"
import { assert, layer } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { demoPrompt, demoScript, OpenCodeHome, Reply, ScriptedProvider } from "../src/index.ts"
import { serve, until } from "./support/openCode.ts"

/** Provider, home and server live as long as the scope. */
const start = Effect.gen(function* () {
  const provider = yield* ScriptedProvider.make(() => Reply.text("no script yet"))
  const home = yield* OpenCodeHome.make({
    config: provider.config,
    files: { "hello.txt": "the content of hello\n" }
  })
  return { home, provider, server: yield* serve(home) }
})

/** One server for all tests; each sets its own script. The last one closes it. */
class Rig extends Context.Service<Rig, Effect.Success<typeof start> & { readonly close: Effect.Effect<void> }>()(
  "Rig"
) {
  static readonly layer = Layer.effect(
    Rig,
    Effect.gen(function* () {
      // Of the layer's scope, so that a failure leaves no server behind.
      const scope = yield* Scope.fork(yield* Effect.scope)
      return { ...(yield* Scope.provide(start, scope)), close: Scope.close(scope, Exit.void) }
    })
  )
}

const textsOf = (message: {
  readonly parts: ReadonlyArray<{ readonly type: string; readonly text?: string | undefined }>
}) => message.parts.flatMap((part) => (part.type === "text" ? [part.text ?? ""] : [])).join("")

layer(Rig.layer, { excludeTestServices: true, timeout: "120 seconds" })("the real opencode", (test) => {
  test.effect(
    "answers a prompt, and runs a tool",
    () =>
      Effect.gen(function* () {
        const { provider, server } = yield* Rig
        yield* provider.setScript((request) =>
          request.toolResults.length === 0 && request.lastUserText.includes("file")
            ? Reply.sequence([
                Reply.reasoning("I look."),
                Reply.toolCall("bash", { command: "cat hello.txt", description: "Reads it" })
              ])
            : Reply.withUsage(Reply.text(`${request.ordinal}|${request.toolResults.at(-1)?.output ?? "no tool"}`), {
                promptTokens: 11,
                completionTokens: 7
              })
        )

        const session = yield* server.session()
        const first = yield* server.prompt(session, "Say it")
        assert.deepInclude(first.parts, { type: "text", text: "1|no tool" })
        assert.include(first.info.tokens, { input: 11, output: 7 })

        const second = yield* server.prompt(session, "Read the file")
        assert.deepInclude(second.parts, { type: "text", text: "3|the content of hello\n" })
        const parts = (yield* server.messages(session)).flatMap((message) => message.parts)
        assert.deepInclude(parts, { type: "reasoning", text: "I look." })
        assert.deepInclude(parts, {
          type: "tool",
          tool: "bash",
          state: { status: "completed", output: "the content of hello\n" }
        })

        yield* until(provider, ({ titles }) => titles === 1)
        assert.strictEqual(yield* provider.count, 3)
        const requests = yield* provider.requests
        assert.deepStrictEqual(
          requests.filter(({ kind }) => kind === "chat").map(({ lastUserText }) => lastUserText),
          ["Say it", "Read the file", "Read the file"]
        )
        assert.include(requests.at(-1)?.toolNames ?? [], "bash")
      }),
    120_000
  )

  test.effect(
    "fails on 401, and retries 429, 500 and a dropped stream",
    () =>
      Effect.gen(function* () {
        const { provider, server } = yield* Rig
        const before = yield* provider.count
        const { titles } = yield* provider.stats
        yield* provider.setScript(() => Reply.status(401, { message: "No such key" }))
        const refused = yield* server.prompt(yield* server.session("401"), "hello")
        assert.include(refused.info.error?.data, { statusCode: 401, isRetryable: false })
        assert.strictEqual(yield* provider.count, before + 1)

        const failures = new Map<string, Reply.Reply>([
          ["429", Reply.status(429, { retryAfter: "1 second" })],
          ["500", Reply.status(500)],
          ["dropped", Reply.drop(3)]
        ])
        const names = [...failures.keys()]
        yield* provider.setScript(({ lastUserText }) => {
          const failure = failures.get(lastUserText)
          failures.delete(lastUserText)
          return failure ?? Reply.text("it works")
        })
        const prompt = (name: string) => Effect.flatMap(server.session(name), (session) => server.prompt(session, name))
        const retried = yield* Effect.forEach(names, prompt, { concurrency: "unbounded" })
        for (const { parts } of retried) {
          assert.deepInclude(parts, { type: "text", text: "it works" })
        }
        assert.strictEqual(yield* provider.count, before + 1 + 2 * names.length)
        assert.strictEqual((yield* provider.stats).titles, titles)
      }),
    120_000
  )

  test.effect(
    "stops a reply when OpenCode disconnects",
    () =>
      Effect.gen(function* () {
        const { provider, server } = yield* Rig
        const interrupted = yield* Deferred.make<void>()
        const never = Effect.never.pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)))
        yield* provider.setScript(() => Reply.sequence([Reply.text("It begins"), Reply.wait(never)]))
        const session = yield* server.session("has a title")
        const turn = yield* Effect.forkChild(server.prompt(session, "hello"))
        yield* until(provider, ({ active }) => active === 1)
        yield* server.abort(session)
        const ended = yield* Fiber.join(turn)
        assert.strictEqual(ended.info.error?.name, "MessageAbortedError")
        yield* Effect.timeout(Deferred.await(interrupted), "10 seconds")
        yield* until(provider, ({ active }) => active === 0)
      }),
    120_000
  )

  test.effect(
    "the demo runs a real tool, and quotes the earlier prompts of the conversation",
    () =>
      Effect.gen(function* () {
        const { provider, server } = yield* Rig
        yield* provider.setScript(demoScript)
        const session = yield* server.session("Demo")
        const looked = yield* server.prompt(session, demoPrompt)
        assert.include(textsOf(looked), `".git, hello.txt"`)
        const parts = (yield* server.messages(session)).flatMap((message) => message.parts)
        assert.isTrue(parts.some(({ state, tool }) => tool === "bash" && state?.status === "completed"))
        const remembered = yield* server.prompt(session, "What did I ask first?")
        assert.include(textsOf(remembered), "prompt number 2")
        assert.include(textsOf(remembered), `began with "${demoPrompt}"`)
      }),
    120_000
  )

  test.effect("leaves no process and no file", () =>
    Effect.gen(function* () {
      const { close, home, provider, server } = yield* Rig
      yield* close
      assert.throws(() => process.kill(server.pid, 0), /ESRCH/)
      const left = yield* Effect.promise(() =>
        access(home.root).then(
          () => true,
          () => false
        )
      )
      assert.isFalse(left)
      const refused = yield* Effect.flip(Effect.tryPromise(() => fetch(`${provider.url}/models`)))
      assert.match(String(refused.cause), /fetch failed/)
    })
  )
})

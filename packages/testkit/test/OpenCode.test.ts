import { access } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Scope } from "effect"
import { OpenCodeHome, Reply, type Script, ScriptedProvider } from "../src/index.ts"
import { serve, until } from "./support/openCode.ts"

/** Provider, home and server live as long as the scope. */
const start = Effect.fnUntraced(function* (script: Script) {
  const provider = yield* ScriptedProvider.make(script)
  const home = yield* OpenCodeHome.make({
    config: provider.config,
    files: { "hello.txt": "the content of hello\n" }
  })
  return { home, provider, server: yield* serve(home) }
})

describe("the real opencode", { timeout: 60_000 }, () => {
  it.live("answers a prompt, runs a tool, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { home, provider, server } = yield* start((request) =>
        request.toolResults.length === 0 && request.lastUserText.includes("file")
          ? Reply.sequence([
              Reply.reasoning("I look."),
              Reply.toolCall("bash", { command: "cat hello.txt", description: "Reads it" })
            ])
          : Reply.withUsage(Reply.text(`${request.ordinal}|${request.toolResults.at(-1)?.output ?? "no tool"}`), {
              promptTokens: 11,
              completionTokens: 7
            })
      ).pipe(Scope.provide(scope))

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

      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
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

  it.live("gives up on 401, and retries 429, 500 and a dropped stream", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* start(() => Reply.status(401, { message: "No such key" }))
      const session = yield* server.session("has a title")
      const refused = yield* server.prompt(session, "hello")
      assert.include(refused.info.error?.data, { statusCode: 401, isRetryable: false })
      assert.strictEqual(yield* provider.count, 1)

      const failures = [Reply.status(429, { retryAfter: "1 second" }), Reply.status(500), Reply.drop(3)]
      yield* Effect.forEach(
        failures,
        Effect.fnUntraced(function* (failure) {
          const before = yield* provider.count
          yield* provider.setScript(({ ordinal }) => (ordinal === before + 1 ? failure : Reply.text("it works")))
          const retried = yield* server.prompt(session, "hello")
          assert.deepInclude(retried.parts, { type: "text", text: "it works" })
          assert.strictEqual(yield* provider.count, before + 2)
        })
      )
      assert.strictEqual((yield* provider.stats).titles, 0)
    })
  )

  it.live("stops a reply when OpenCode leaves", () =>
    Effect.gen(function* () {
      const interrupted = yield* Deferred.make<void>()
      const never = Effect.never.pipe(Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)))
      const { provider, server } = yield* start(() => Reply.sequence([Reply.text("It begins"), Reply.wait(never)]))
      const session = yield* server.session("has a title")
      const turn = yield* Effect.forkChild(server.prompt(session, "hello"))
      yield* until(provider, ({ active }) => active === 1)
      yield* server.abort(session)
      const ended = yield* Fiber.join(turn)
      assert.strictEqual(ended.info.error?.name, "MessageAbortedError")
      yield* Effect.timeout(Deferred.await(interrupted), "10 seconds")
      yield* until(provider, ({ active }) => active === 0)
    })
  )
})

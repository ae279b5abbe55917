import { assert } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { Client } from "@opencode-worker/client/effect"
import { answer, asked, echo, limit, newSession, script, send, servedPage, workerWith } from "../support/world.ts"
import { inWorld } from "./inWorld.ts"

const fetchOf = (url: string) => Reply.toolCall("webfetch", { url, format: "text" })

export const requestsTests = inWorld("a request of OpenCode", (it) => {
  it.effect(
    "is denied without an answer in time, and the turn continues",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* workerWith({ requestTimeLimit: "2 seconds" })
        yield* script((request) => (request.toolResults.length === 0 ? fetchOf("http://127.0.0.1:9/") : echo(request)))
        const turnId = yield* send(sessionId, "look it up")
        yield* asked(sessionId)
        const { status, text } = yield* answer(turnId)
        assert.strictEqual(status, "completed")
        assert.match(text, /No person answered within 2s/)
        const left = yield* Stream.runHead(operator.stream(({ requests }) => requests.watch({ sessionId })))
        assert.deepInclude(left, { value: [] })
      }),
    limit
  )

  it.effect(
    "in a sub-agent reaches the operator of the session, and its answer reaches the sub-agent",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const page = yield* servedPage
        const sessionId = yield* newSession
        yield* workerWith({})
        yield* script((request) => {
          const [result] = request.toolResults
          if (result !== undefined) return Reply.text(`${request.lastUserText}: ${result.output}`)
          return request.lastUserText === "have it looked up"
            ? Reply.toolCall("task", { description: "look up", prompt: "fetch the page", subagent_type: "general" })
            : fetchOf(page)
        })
        const turnId = yield* send(sessionId, "have it looked up")
        const request = yield* asked(sessionId)
        assert.deepInclude(request, { kind: "permission", subject: `webfetch: ${page}`, turnId })
        yield* operator.call(({ requests }) => requests.answer(request, { type: "once" }))
        const { status, text } = yield* answer(turnId)
        assert.strictEqual(status, "completed")
        assert.match(text, /^have it looked up: .*fetch the page: the page says hello/s)
      }),
    limit
  )

  it.effect(
    "in a sub-agent can be denied with a message, and the turn continues",
    () =>
      Effect.gen(function* () {
        const operator = yield* Client
        const sessionId = yield* newSession
        yield* workerWith({})
        yield* script((request) => {
          const [result] = request.toolResults
          if (result !== undefined) return Reply.text(`${request.lastUserText}: ${result.output}`)
          return request.lastUserText === "have it looked up"
            ? Reply.toolCall("task", { description: "look up", prompt: "fetch the page", subagent_type: "general" })
            : fetchOf("http://127.0.0.1:9/")
        })
        const turnId = yield* send(sessionId, "have it looked up")
        const request = yield* asked(sessionId)
        yield* operator.call(({ requests }) =>
          requests.answer(request, { type: "reject", message: "there is no need" })
        )
        const { status, text } = yield* answer(turnId)
        assert.strictEqual(status, "completed")
        assert.match(text, /there is no need/)
      }),
    limit
  )
})

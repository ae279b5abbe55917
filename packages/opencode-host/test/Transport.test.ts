import { createServer, type RequestListener } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { makeTransport } from "../src/internal/client/transport.ts"
import type { Running } from "../src/internal/server/supervisor.ts"

/** The error of a call to a server with this response. */
const failure = Effect.fnUntraced(function* (answer: RequestListener) {
  const http = yield* Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer(answer)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close().closeAllConnections())
  )
  const address = http.address()
  const port = typeof address === "object" ? address?.port : undefined
  const server = {
    url: `http://127.0.0.1:${port}`,
    username: "opencode",
    password: Redacted.make("x"),
    passwordHidden: true,
    version: "1.18.33",
    pid: undefined,
    binary: undefined,
    bootMillis: 1,
    startedAt: 0
  }
  const running: Running = {
    server,
    exited: Effect.never,
    notice: Effect.void,
    kill: Effect.void,
    primed: Effect.void,
    providerMetadata: Effect.never
  }
  const { call } = makeTransport((run) => run(running))
  return yield* Effect.flip(call("sessions.list", (sdk, options) => sdk.session.list({}, options)))
})

describe("a call", () => {
  it.live.each([200, 500])("that is cut in the body of its answer (%i) may be tried again", (status) =>
    Effect.gen(function* () {
      const error = yield* failure((_, response) => {
        response.writeHead(status, { "content-type": "application/json", "content-length": 100 })
        response.write('[{"id":', () => response.destroy())
      })
      assert.strictEqual(error.reason._tag, "Unavailable", error.message)
    })
  )

  it.live.each([205, 999])(
    "that gets a status which no response can have (%i) fails, and the process goes on",
    (status) =>
      Effect.gen(function* () {
        const error = yield* failure((_, response) =>
          response.writeHead(status, { "transfer-encoding": "chunked" }).end("text")
        )
        assert.include(["Protocol", "Unavailable"], error.reason._tag, error.message)
      })
  )

  it.live("that is answered with another protocol (101) fails instead of hanging", () =>
    Effect.gen(function* () {
      const error = yield* failure(({ socket }) =>
        socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
      )
      assert.strictEqual(error.reason._tag, "Unavailable", error.message)
    })
  )

  it.live("that gets an unexpected response is not retriable, and its message is short", () =>
    Effect.gen(function* () {
      const nonsense = yield* failure((_, response) =>
        response.setHeader("content-type", "application/json").end("<html>")
      )
      assert.strictEqual(nonsense.reason._tag, "Protocol", nonsense.message)
      const long = yield* failure((_, response) =>
        response.writeHead(400).end(JSON.stringify({ name: "Long", data: { message: "x".repeat(10_000) } }))
      )
      assert.isBelow(long.message.length, 700)
    })
  )

  it.live("that a wrong configuration keeps from being answered does not quote its values", () =>
    Effect.gen(function* () {
      const message = 'Expected object | undefined, got "sk-fake-0123456789"'
      const issues = [{ path: ["provider", "own", "options"], message }]
      const error = yield* failure((_, response) =>
        response.writeHead(400).end(JSON.stringify({ name: "ConfigInvalidError", data: { path: "/p", issues } }))
      )
      assert.include(error.message, "/p: ")
      assert.include(error.message, "Expected object")
      assert.notInclude(error.message, "sk-fake")
    })
  )
})

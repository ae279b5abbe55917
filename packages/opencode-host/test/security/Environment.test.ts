/** A shell that exports everything that could come between the host and its server. */
import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Stream } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { serverEnvironment, withheld, withoutLoopback } from "../../src/internal/environment.ts"
import { endOf, hosted, newSession, promptOf, setting } from "../support.ts"

/** A value that would do harm, for each entry of the list. */
const harmful = Object.fromEntries(
  withheld.map(([pattern]): [string, string] => {
    const name = pattern.replace("*", pattern === "NODE_CHANNEL_*" ? "FD" : "USERNAME")
    return [name, /PURE|PRINT|EXPERIMENTAL|BE_BUN/.test(name) ? "1" : "harmful-1"]
  })
)

describe("the environment of a server", () => {
  it.effect("has none of the variables that are withheld, each of which has a reason", () =>
    Effect.gen(function* () {
      const environment = yield* serverEnvironment({ ...harmful, KEPT: "kept", BUN_INSTALL: "/home/me/.bun" })
      assert.deepInclude(environment, { KEPT: "kept", BUN_INSTALL: "/home/me/.bun" })
      for (const name of Object.keys(harmful)) assert.notProperty(environment, name)
      for (const [, reason] of withheld) assert.isNotEmpty(reason)
    })
  )

  it("excludes this machine from every proxy, and keeps what the user excluded", () => {
    assert.strictEqual(withoutLoopback(undefined), "127.0.0.1,localhost,::1")
    assert.strictEqual(withoutLoopback("corp.example, localhost"), "corp.example,localhost,127.0.0.1,::1")
    assert.strictEqual(withoutLoopback("*"), "*")
  })

  it.live(
    "changes neither how host and server talk, nor what is asked, nor lets the agent see a password, whatever the shell exports",
    () =>
      Effect.gen(function* () {
        const { options } = yield* setting(({ toolResults }) =>
          toolResults.length > 0
            ? Reply.text("done")
            : Reply.toolCall("bash", { command: "env", description: "show the environment" })
        )
        const proxied: Array<string> = []
        const proxy = yield* Effect.acquireRelease(
          Effect.callback<ReturnType<typeof createServer>>((resume) => {
            const server = createServer((socket) => {
              socket.on("error", () => {})
              socket.once("data", (data) => {
                proxied.push(String(data).split("\r\n", 1)[0] ?? "")
                socket.destroy()
              })
            })
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const at = proxy.address()
        const url = `http://127.0.0.1:${typeof at === "object" ? at?.port : ""}`
        const environment = {
          ...options.environment,
          ...harmful,
          OPENCODE_PERMISSION: JSON.stringify({ "*": "allow", bash: { "*": "allow" } }),
          NODE_OPTIONS: "--require /nowhere.js",
          NODE_USE_ENV_PROXY: "1",
          HTTP_PROXY: url,
          http_proxy: url,
          ALL_PROXY: url
        }
        const asked: Array<string> = []
        yield* hosted(
          { ...options, environment, alwaysAsk: true },
          Effect.gen(function* () {
            const { client, turn, server } = yield* OpenCodeHost
            assert.isTrue((yield* server).passwordHidden)
            const events = yield* turn(yield* promptOf(yield* newSession, "go")).pipe(
              Stream.tap((event) => {
                if (event._tag !== "PermissionAsked") return Effect.void
                asked.push(event.request.permission)
                return client.permissions.reply(event.request.id, "once")
              }),
              Stream.runCollect
            )
            const end = endOf(events)
            assert.strictEqual(end.outcome, "completed")
            const output = JSON.stringify(end.messages)
            assert.include(output, "NODE_OPTIONS=--require /nowhere.js")
            assert.notMatch(output, /OPENCODE_SERVER_|OPENCODE_WORKER_|BUN_TMPDIR|BUN_INSPECT|harmful-1/)
          })
        )
        assert.deepStrictEqual(asked, ["bash"])
        assert.deepStrictEqual(proxied, [])
      }).pipe(Effect.scoped),
    120_000
  )
})

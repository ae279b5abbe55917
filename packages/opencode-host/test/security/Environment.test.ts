/** A shell that exports everything that could come between the host and its server. */
import { createServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { ConfigProvider, Effect, Stream } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { serverEnvironment, withheld, withoutLoopback } from "../../src/internal/server/environment.ts"
import { endOf, hosted, isPermission, newSession, promptOf, setting } from "../support.ts"

/** A value that would do harm, for each entry of the list. */
const harmful = Object.fromEntries(
  withheld.map(([pattern]): [string, string] => {
    const name = pattern.replace("*", pattern === "NODE_CHANNEL_*" ? "FD" : "USERNAME")
    return [name, /PURE|PRINT|EXPERIMENTAL|BE_BUN/.test(name) ? "1" : "harmful-1"]
  })
)

/** Shells that were reported with a server that did not start, or that was unreachable. */
const reported: Readonly<
  Record<string, { readonly source: string; readonly shell: Readonly<Record<string, string>> }>
> = {
  "a terminal of OpenCode's desktop application": {
    source: "anomalyco/opencode#14532, #24747",
    shell: {
      OPENCODE: "1",
      AGENT: "1",
      OPENCODE_CLIENT: "desktop",
      OPENCODE_PID: "4242",
      OPENCODE_SERVER_USERNAME: "opencode",
      OPENCODE_SERVER_PASSWORD: "b7c0e1"
    }
  },
  "a password in the profile of the shell": {
    source: "anomalyco/opencode#8173",
    shell: { OPENCODE_SERVER_PASSWORD: "secure" }
  },
  "credentials that are set and empty": {
    source: "anomalyco/opencode#49452",
    shell: { OPENCODE_SERVER_PASSWORD: "", OPENCODE_SERVER_USERNAME: "" }
  },
  "options for the runtime": {
    source: "anomalyco/opencode#3606",
    shell: { BUN_OPTIONS: "--inspect-wait=localhost:6499/" }
  },
  "a debugger of an editor": {
    source: "oven-sh/bun#38596",
    shell: { BUN_INSPECT: "ws+unix:///tmp/1.sock?wait=1", BUN_INSPECT_NOTIFY: "unix:///tmp/2.sock" }
  }
}

/** Blank lists were reported to hide the other one: MiniMax-AI/minimax-code#185, openclaw/openclaw#113176. */
const excluded = [
  [{ no_proxy: "", NO_PROXY: "corp.example" }, "corp.example,127.0.0.1,localhost,::1"],
  [{ no_proxy: "  ", NO_PROXY: "corp.example" }, "corp.example,127.0.0.1,localhost,::1"],
  [{ no_proxy: "corp.example", NO_PROXY: "" }, "corp.example,127.0.0.1,localhost,::1"],
  // KarpelesLab/teamclaude#75: an empty list sent loopback to the proxy.
  [{ NO_PROXY: "" }, "127.0.0.1,localhost,::1"],
  // anomalyco/opencode#4924: loopback is excluded already, in part.
  [{ NO_PROXY: "localhost,127.0.0.1 " }, "localhost,127.0.0.1,::1"]
] as const

describe("the environment of a server", () => {
  for (const [where, { shell, source }] of Object.entries(reported)) {
    it.effect(`has nothing that talks to another server: ${where} (${source})`, () =>
      Effect.gen(function* () {
        const environment = yield* serverEnvironment(shell)
        for (const name of Object.keys(shell)) {
          // OpenCode sets these two for its tools; it does not read them.
          if (name !== "OPENCODE" && name !== "AGENT") assert.notProperty(environment, name)
        }
      })
    )
  }

  it.effect("excludes this machine from proxies in both spellings, and loses no name of either", () =>
    Effect.gen(function* () {
      for (const [given, expected] of excluded) {
        const { NO_PROXY, no_proxy } = yield* serverEnvironment({ HTTP_PROXY: "http://proxy.example:3128", ...given })
        assert.deepStrictEqual([NO_PROXY, no_proxy], [expected, expected], JSON.stringify(given))
      }
    })
  )

  it.effect("inherits nothing of the Node.js and the package manager that run this process", () =>
    Effect.gen(function* () {
      const names = ["NODE", "NODE_PATH", "NODE_OPTIONS", "NODE_COMPILE_CACHE", "NODE_V8_COVERAGE", "INIT_CWD"]
      const manager = ["npm_execpath", "npm_node_execpath", "npm_lifecycle_event", "npm_config_user_agent", "PNPM_HOME"]
      const given = Object.fromEntries([...names, ...manager].map((name) => [name, "/workspace/node"]))
      const provider = ConfigProvider.fromUnknown({ ...given, PATH: "/usr/bin" })
      const environment = yield* Effect.provide(serverEnvironment({}), ConfigProvider.layer(provider))
      assert.deepStrictEqual(environment, { PATH: "/usr/bin" })
    })
  )

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
            const { reply, turn, server } = yield* OpenCodeHost
            assert.isTrue((yield* server).passwordHidden)
            const events = yield* turn(yield* promptOf(yield* newSession, "go")).pipe(
              Stream.tap((event) => {
                if (!isPermission(event)) return Effect.void
                asked.push(event.request.permission)
                return reply(event.request, { type: "once" })
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

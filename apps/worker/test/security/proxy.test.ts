/** Proxies in the shell's environment: they must never see what this process sends to its own machine. */
import { createServer, type Server } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { proxyFor, refusedProxy, useProxies } from "../../src/proxy.ts"
import { until } from "@opencode-worker/harness"
import * as command from "../support/command.ts"

/** Closes every connection after its first bytes, and records their first line. */
const listener = Effect.acquireRelease(
  Effect.callback<{ readonly server: Server; readonly seen: Array<string>; readonly url: string }>((resume) => {
    const seen: Array<string> = []
    const server = createServer((socket) => {
      socket.on("error", () => {})
      socket.once("data", (data) => {
        seen.push(String(data).split("\r\n", 1)[0] ?? "")
        socket.destroy()
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const at = server.address()
      resume(Effect.succeed({ server, seen, url: `http://127.0.0.1:${typeof at === "object" ? at?.port : ""}` }))
    })
  }),
  ({ server }) => Effect.sync(() => server.close())
)

const remote = "https://happy-otter-123.convex.example"

/** Values from real shells, and the intended proxy, or undefined if the value cannot be used. */
const variables = [
  ["HTTPS_PROXY", "127.0.0.1:10888", "127.0.0.1:10888", "esengine/DeepSeek-Reasonix#1050"],
  ["HTTPS_PROXY", "proxy.example:3128", "proxy.example:3128", "nodejs/undici#1986"],
  ["https_proxy", "localhost:9000", "localhost:9000", "nodejs/undici#4736"],
  ["HTTPS_PROXY", " http://proxy.example:3128 ", "proxy.example:3128", "a value that was pasted"],
  ["HTTPS_PROXY", "http://user:p@ss@proxy.example:3128", "proxy.example:3128", "a password with an @"],
  ["https_proxy", "socks5h://127.0.0.1:1080", undefined, "anthropics/claude-code#3387"],
  ["HTTPS_PROXY", "http://user:secret@ not a url", undefined, "no URL"],
  ["HTTPS_PROXY", "http://user:%secret@proxy.example", undefined, "a password that is not encoded"],
  ["HTTPS_PROXY", " ", undefined, "MiniMax-AI/minimax-code#185"]
] as const

describe("a proxy in the environment", () => {
  it.live(
    "carries the connection to a remote deployment, and nothing to this machine",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const proxy = yield* listener
        const deployment = yield* listener
        const start = Effect.fnUntraced(function* (
          url: string,
          seen: () => boolean,
          shown: RegExp,
          switches: Readonly<Record<string, string>>
        ) {
          const environment = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ...switches }
          const worker = yield* command.start({ root, environment }, "start", "--url", url)
          yield* Effect.promise(() => until(seen, "a connection", worker.stderr))
          yield* Effect.promise(() => worker.prints(shown))
          worker.kill("SIGTERM")
          return yield* Effect.promise(() => worker.ended)
        })
        yield* start(deployment.url, () => deployment.seen.length > 0, /^data /m, { NODE_USE_ENV_PROXY: "1" })
        assert.deepStrictEqual(proxy.seen, [])
        const { stdout } = yield* start(remote, () => proxy.seen.length > 0, /^proxy /m, {})
        assert.include(stdout, `\nproxy         ${new URL(proxy.url).host}\n`)
        const addresses = new Set(proxy.seen.map((line) => line.split(" ")[1]))
        assert.deepStrictEqual([...addresses], ["happy-otter-123.convex.example:443"])
      }).pipe(Effect.scoped),
    240_000
  )

  for (const [variable, value, expected, source] of variables) {
    it(`${variable}=${value} (${source})`, async () => {
      const environment = { [variable]: value }
      assert.strictEqual(proxyFor(remote, environment), expected)
      const refused = refusedProxy(remote, environment)
      if (expected !== undefined || value.trim() === "") return assert.isUndefined(refused)
      assert.include(refused, "is not the address of an HTTP proxy")
      assert.notInclude(refused, "secret")
      // The help and a chat with a local deployment work despite it.
      await useProxies(environment)
    })
  }

  it("is not used for excluded hosts, also if one of the two lists is blank", async () => {
    // MiniMax-AI/minimax-code#185, openclaw/openclaw#113176.
    for (const lists of [
      { no_proxy: " ", NO_PROXY: "corp.example" },
      { no_proxy: "corp.example", NO_PROXY: "" }
    ]) {
      const environment: NodeJS.ProcessEnv = { HTTPS_PROXY: "http://proxy.example", NODE_USE_ENV_PROXY: "0", ...lists }
      await useProxies(environment)
      assert.strictEqual(environment["NO_PROXY"], "corp.example,127.0.0.1,localhost,::1")
      assert.strictEqual(environment["no_proxy"], environment["NO_PROXY"])
    }
  })
})

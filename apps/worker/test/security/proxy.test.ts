/** Proxies in the shell's environment: they must never see what this process sends to its own machine. */
import { createServer, type Server } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { useProxies } from "../../src/proxy.ts"
import * as command from "../support/command.ts"

/** Closes every connection after its first bytes, whose first line it keeps. */
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

describe("a proxy in the environment", () => {
  it.live(
    "carries the connection to a deployment elsewhere, and nothing to this machine",
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
          yield* Effect.promise(() => command.until(seen, "a connection", worker.stderr))
          yield* Effect.promise(() => worker.says(shown))
          worker.kill("SIGTERM")
          return yield* Effect.promise(() => worker.ended)
        })
        yield* start(deployment.url, () => deployment.seen.length > 0, /^data /m, { NODE_USE_ENV_PROXY: "1" })
        assert.deepStrictEqual(proxy.seen, [])
        const remote = "https://happy-otter-123.convex.example"
        const { stdout } = yield* start(remote, () => proxy.seen.length > 0, /^proxy /m, {})
        assert.include(stdout, `\nproxy         ${new URL(proxy.url).host}\n`)
        const addresses = new Set(proxy.seen.map((line) => line.split(" ")[1]))
        assert.deepStrictEqual([...addresses], ["happy-otter-123.convex.example:443"])
      }).pipe(Effect.scoped),
    240_000
  )

  it("that is not a URL is refused without its password", () => {
    const refused = useProxies({ HTTPS_PROXY: "http://user:secret@ not a url" })
    assert.include(refused, "is not a URL")
    assert.notInclude(refused, "secret")
  })
})

import { createServer, type RequestListener } from "node:http"
import { createDeviceKey } from "@opencode-worker/client"
import { deviceAuth } from "@opencode-worker/client/http"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { keptToken } from "../../src/operator/keptToken.ts"
import { nodeFetch, nodeFetchWithin } from "../../src/operator/nodeFetch.ts"

/** The URL of a server that responds like this. */
const served = (respond: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer(respond)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close().closeAllConnections())
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`
    })
  )

const post = { method: "POST", headers: {}, body: "{}" } as const

const failure = (fetching: typeof nodeFetch, url: string) =>
  Effect.flip(Effect.tryPromise({ try: () => fetching(url, post), catch: String }))

describe("a request to a deployment", () => {
  it.live("fails if the deployment accepts it and stays silent, also in the middle of a response", () =>
    Effect.gen(function* () {
      const silent = yield* served(() => undefined)
      assert.include(yield* failure(nodeFetchWithin(200), silent), "did not respond within 0.2 s")
      const stuck = yield* served((_, response) => response.writeHead(200, { "content-length": 10 }).write("{"))
      yield* failure(nodeFetchWithin(200), stuck)
    })
  )

  it.live("fails if it is answered with another protocol (101)", () =>
    Effect.gen(function* () {
      const url = yield* served(({ socket }) =>
        socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
      )
      assert.include(yield* failure(nodeFetch, url), "another protocol")
    })
  )
})

describe("the token of a device", () => {
  it.live("is asked for again after a failure, and then kept", () =>
    Effect.gen(function* () {
      let requests = 0
      const url = yield* served((_, response) => {
        requests += 1
        if (requests === 1) return response.writeHead(503).end()
        return response.end(JSON.stringify({ status: "success", value: { token: `token ${requests}` } }))
      })
      const { privateKey } = yield* Effect.promise(() => createDeviceKey())
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the server here does not look at it
      const device = { deviceId: "device" as never, privateKey }
      const token = yield* keptToken(Effect.tryPromise(deviceAuth({ url, device, fetch: nodeFetch })))
      yield* Effect.flip(token)
      assert.strictEqual(yield* token, "token 2")
      assert.strictEqual(yield* token, "token 2")
    })
  )
})

import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "vitest"
import { api } from "../src/api.ts"
import { httpCall, type HttpOptions, isClientError } from "../src/http.ts"
import { useDeployment } from "./support/deployment.ts"

const deployment = useDeployment()

const list = (options: HttpOptions) => httpCall("query", api.workers.list, {}, options)
const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => (isClientError(error) ? error.reason : error)
  )

/** A server that answers each request with this status and body. */
const serve = async (status: number, body: string) => {
  const server = createServer((_, response) => response.writeHead(status).end(body))
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

describe("a call over HTTP", () => {
  it("returns the result of the function, and sends the token", async () => {
    const { token, url } = deployment()
    assert.deepStrictEqual(await list({ url: `${url}/`, token: await token("reader") }), [])
  })

  it("rejects with the reason of the function, of the token, and of the arguments", async () => {
    const { token, url } = deployment()
    assert.deepInclude(await reasonOf(list({ url })), { _tag: "Rejected", code: "Unauthenticated" })
    const refused = await reasonOf(list({ url, token: "no.real.token" }))
    assert.deepInclude(refused, { _tag: "Rejected", code: "Unauthenticated" })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- no id of a session
    const args = { sessionId: "nothing" as never, title: "new", idempotencyKey: "key" }
    const wrong = await reasonOf(httpCall("mutation", api.sessions.rename, args, { url, token: await token("writer") }))
    assert.deepInclude(wrong, { _tag: "FunctionFailed" })
  })

  it("rejects with Unreachable if another call may succeed, and names a server that is no deployment", async () => {
    assert.deepInclude(await reasonOf(list({ url: "http://127.0.0.1:9" })), { _tag: "Unreachable" })
    await using busy = await serve(503, "<h1>Busy</h1>")
    assert.deepInclude(await reasonOf(list(busy)), { _tag: "Unreachable" })
    await using other = await serve(404, "<h1>Not found</h1>")
    const message = "A response with status 404, not of a Convex deployment."
    assert.deepStrictEqual(await reasonOf(list(other)), { _tag: "FunctionFailed", message })
  })
})

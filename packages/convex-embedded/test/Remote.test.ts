/** A second address for other machines: `remote`. */
import { once } from "node:events"
import { type IncomingMessage, request as plain } from "node:http"
import { request as secure, type RequestOptions } from "node:https"
import { connect } from "node:net"
import { text } from "node:stream/consumers"
import { ConvexClient } from "convex/browser"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocket } from "ws"
import { ConvexEmbeddedError } from "../src/index.ts"
import { tls } from "./certificate.ts"
import { deploy } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

/** Loopback stands for the other machines. */
const host = "127.0.0.1"
const assets = { files: { "/index.html": "a page" } }

const get = async (url: string, options: RequestOptions = {}) => {
  const sent = url.startsWith("https") ? secure(url, { ca: tls.cert, ...options }) : plain(url, options)
  sent.end()
  const [response] = (await once(sent, "response")) as [IncomingMessage]
  return { body: await text(response), status: response.statusCode }
}

describe("a remote address", () => {
  it("serves the same over TLS, next to the plain address of this machine", async () => {
    const { remoteUrl, url } = await deploy({ allowedHosts: ["console.test"], assets, remote: { host, tls } })
    const { port } = new URL(remoteUrl!)
    assert.equal(remoteUrl, `https://127.0.0.1:${port}`)
    assert.notEqual(new URL(url).port, port)
    for (const address of [url, remoteUrl!]) assert.deepEqual(await get(address), { body: "a page", status: 200 })

    // The real client, with the certificate of the deployment.
    class Trusting extends WebSocket {
      constructor(address: string) {
        super(address, { ca: tls.cert })
      }
    }
    const client = new ConvexClient(remoteUrl!, { webSocketConstructor: Trusting as never })
    onTestFinished(() => client.close())
    await client.mutation(api.messages.send, { author: "ann", channel: "general", text: "hello" })
    assert.lengthOf(await client.query(api.messages.list, { channel: "general" }), 1)

    const named = { headers: { host: `console.test:${port}` }, servername: "console.test" }
    assert.equal((await get(remoteUrl!, named)).status, 200)
    const own = { ...named, headers: { ...named.headers, origin: `https://console.test:${port}` } }
    assert.equal((await get(remoteUrl!, own)).status, 200)
  })

  it("checks hosts and origins as the other address does", async () => {
    const { remoteUrl, url } = await deploy({ assets, remote: { host } })
    for (const address of [url, remoteUrl!]) {
      const { port } = new URL(address)
      const refused = async (headers: Record<string, string>) => (await get(address, { headers })).status
      assert.equal(await refused({ host: "evil.example" }), 403)
      assert.equal(await refused({ origin: "https://evil.example" }), 403)
      assert.equal(await refused({ origin: `http://localhost:${port}` }), 200)
      // A page that another program of this machine serves.
      assert.equal(await refused({ origin: "http://localhost:9" }), 403)
    }
  })

  it("ends connections without a handshake when it is closed", async () => {
    const { close, remoteUrl } = await deploy({ remote: { host, tls } })
    const silent = connect(Number(new URL(remoteUrl!).port), host)
    await once(silent, "connect")
    const closed = once(silent, "close")
    silent.on("error", () => undefined)
    silent.write("this is not a handshake, and it is not HTTP\r\n\r\n")
    await closed
    const waiting = connect(Number(new URL(remoteUrl!).port), host)
    waiting.on("error", () => undefined)
    await once(waiting, "connect")
    const ended = once(waiting, "close")
    await close()
    await ended
    assert.isTrue(waiting.destroyed)
  })

  it("that cannot be used is reported at the start", async () => {
    const other = await deploy({ remote: { host } })
    const port = Number(new URL(other.remoteUrl!).port)
    for (const [remote, code] of [
      [{ host, port }, "PortInUse"],
      [{ host: "203.0.113.1" }, "InvalidOptions"],
      [{ host: "", port: 1 }, "InvalidOptions"],
      [{ host, port: 70_000 }, "InvalidOptions"],
      [{ host, tls: { ...tls, key: "no key" } }, "InvalidOptions"]
    ] as const) {
      const error: unknown = await deploy({ remote }).catch((cause: unknown) => cause)
      assert.instanceOf(error, ConvexEmbeddedError)
      assert.equal(error.code, code)
      assert.notInclude(error.message, "no key")
    }
  })
})

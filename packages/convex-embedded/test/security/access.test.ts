/** Web pages against a deployment of this machine: foreign origins, DNS rebinding, and requests that are not plain ones. */
import { once } from "node:events"
import { request } from "node:http"
import { connect as dial } from "node:net"
import { text } from "node:stream/consumers"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocket } from "ws"
import { ConvexEmbeddedError } from "../../src/index.ts"
import { accessRefusal, isHostEntry, isOriginEntry } from "../../src/internal/access/access.ts"
import { deploy, deployForAll } from "../deployment.ts"
import { randomOf } from "../random.ts"
import { syncUrl } from "../raw.ts"

type Headers = Record<string, string>

const send = async (url: string, method: string, path: string, headers: Headers) => {
  const sent = request(url, { headers, method, path })
  sent.end(method === "POST" ? '{"path":"counters:read","args":{"name":"n"}}' : undefined)
  const [answer] = (await once(sent, "response")) as [import("node:http").IncomingMessage]
  return { body: await text(answer), headers: answer.headers, status: answer.statusCode }
}

/** 101, or the status by which the upgrade was refused. */
const upgrade = async (url: string, headers: Headers): Promise<number> => {
  const socket = new WebSocket(syncUrl(url), { headers })
  onTestFinished(() => socket.terminate())
  socket.on("error", () => undefined)
  const refused = once(socket, "unexpected-response").then(([, answer]) => Number(answer.statusCode))
  return Promise.race([once(socket, "open").then(() => 101), refused])
}

const shared = deployForAll()
const port = () => new URL(shared().url).port

/** Each kind of request that a page can make. */
const everyWay = (url: string, headers: Headers): Array<Promise<number | undefined>> => [
  send(url, "POST", "/api/query", headers).then(({ status }) => status),
  send(url, "POST", "/api/run/counters/read", headers).then(({ status }) => status),
  send(url, "OPTIONS", "/api/mutation", headers).then(({ status }) => status),
  send(url, "GET", "/api/storage/x", headers).then(({ status }) => status),
  send(url, "POST", "/api/storage/upload?token=1.00", headers).then(({ status }) => status),
  send(url, "GET", "/api/export?table=messages", headers).then(({ status }) => status),
  send(url, "GET", "/version", headers).then(({ status }) => status),
  send(url, "POST", "/action-of-http", headers).then(({ status }) => status),
  upgrade(url, headers)
]

const FOREIGN = [
  "http://evil.example",
  "https://evil.example",
  "http://127.0.0.1.evil.example",
  "http://localhost.evil.example",
  "http://evil.example:3210",
  "null",
  "file://",
  "http://127.0.0.1@evil.example",
  "HTTP://EVIL.EXAMPLE",
  "http://localhost, http://evil.example",
  ""
]

describe("a web page of another site", () => {
  it("has no access over HTTP and WebSocket, and reads no response", async () => {
    const { url } = shared()
    for (const origin of FOREIGN) {
      for (const status of await Promise.all(everyWay(url, { origin }))) assert.equal(status, 403, origin)
    }
    const { body, headers } = await send(url, "OPTIONS", "/api/query", { origin: "http://evil.example" })
    assert.isUndefined(headers["access-control-allow-origin"])
    assert.match(body, /"ForbiddenOrigin".*evil\.example.*allowedOrigins/)
  })

  it("has no access by DNS rebinding", async () => {
    const { url } = shared()
    const names = ["evil.example", `evil.example:${port()}`, "localhost.evil.example", "10.0.0.1", "[::2]", "0x7f.1"]
    for (const host of names) {
      for (const headers of [{ host }, { host, origin: `http://${host}` }]) {
        for (const status of await Promise.all(everyWay(url, headers))) assert.equal(status, 403, host)
      }
    }
    assert.match((await send(url, "GET", "/version", { host: "evil.example" })).body, /"ForbiddenHost".*allowedHosts/)
  })

  it("on another port of this machine has no access, unless loopback is allowed", async () => {
    const open = await deploy({ allowedOrigins: ["loopback", "https://app.example.com"] })
    const pages = ["http://localhost:5173", "http://127.0.0.1:5173", "http://[::1]:5173", "https://localhost"]
    for (const origin of pages) {
      assert.equal((await send(shared().url, "POST", "/api/query", { origin })).status, 403)
      const { headers, status } = await send(open.url, "POST", "/api/query", { origin })
      assert.equal(status, 200)
      assert.equal(headers["access-control-allow-origin"], origin)
      assert.equal(headers["vary"], "Origin")
      assert.equal(await upgrade(open.url, { origin }), 101)
    }
    assert.equal((await send(open.url, "POST", "/api/query", { origin: "https://app.example.com" })).status, 200)
    assert.equal((await send(open.url, "POST", "/api/query", { origin: "https://app.example.com:444" })).status, 403)
  })
})

describe("access is granted to", () => {
  it("programs, and pages of the deployment's own port", async () => {
    const { url } = shared()
    const own = [{}, ...["127.0.0.1", "localhost", "[::1]"].map((name) => ({ origin: `http://${name}:${port()}` }))]
    for (const headers of own) {
      assert.equal((await send(url, "POST", "/api/query", headers)).status, 200)
      assert.equal(await upgrade(url, headers), 101)
    }
  })

  it("pages under an allowed host name, and no other", async () => {
    const { url } = await deploy({ allowedHosts: ["dev.example.com"] })
    for (const host of ["dev.example.com", "DEV.example.com:8443", "dev.example.com."]) {
      const origin = `https://${host.toLowerCase()}`
      assert.equal((await send(url, "POST", "/api/query", { host, origin })).status, 200, host)
    }
    const headers = { host: "dev.example.com", origin: "https://example.com" }
    assert.equal((await send(url, "POST", "/api/query", headers)).status, 403)
  })

  it("no random host or origin", () => {
    const random = randomOf(41)
    const pick = (list: string): string => list[Math.floor(random() * list.length)]!
    const rules = { allowedHosts: [], allowedOrigins: [], host: "127.0.0.1", port: 3210 }
    for (let round = 0; round < 20_000; round++) {
      const name = Array.from({ length: 1 + Math.floor(random() * 12) }, () => pick("al0.:-[]127/@#? \\%")).join("")
      const isLoopback = /^(127(\.\d{1,3}){3}|\[::1\])\.?(:\d{1,5})?$/.test(name)
      const refusal = accessRefusal(rules, { host: name, localAddress: "127.0.0.1", origin: undefined })
      assert.equal(refusal === null, isLoopback, name)
      const origin = `http://${name}`
      const page = accessRefusal(rules, { host: "127.0.0.1:3210", localAddress: "127.0.0.1", origin })
      if (page === null) assert.match(origin, /^http:\/\/(127(\.\d{1,3}){3}|\[::1\]):3210$/)
    }
  })

  it("valid entries of the options only", async () => {
    assert.isTrue(["*", "dev.example.com", "::1", "10.0.0.1"].every(isHostEntry))
    assert.isTrue(["http://a", "https://a.b:1", "null", "*", "loopback", "chrome-extension://abc"].every(isOriginEntry))
    for (const options of [
      { allowedOrigins: ["https://app.example.com/"] },
      { allowedOrigins: ["app.example.com"] },
      { allowedOrigins: ["https://App.example.com"] },
      { allowedHosts: ["https://dev.example.com"] },
      { allowedHosts: [""] },
      { connectionMemory: 1 }
    ]) {
      const error: unknown = await deploy(options).catch((cause: unknown) => cause)
      assert.instanceOf(error, ConvexEmbeddedError)
      assert.equal(error.code, "InvalidOptions")
      assert.include(error.message, Object.keys(options)[0]!)
    }
  })
})

const raw = async (lines: string): Promise<string> => {
  const socket = dial(Number(port()), "127.0.0.1")
  onTestFinished(() => void socket.destroy())
  socket.end(lines.replaceAll("\n", "\r\n"))
  return text(socket)
}

describe("a malformed request", () => {
  it("is rejected: two hosts, no host, an absolute URL as target, two lengths", async () => {
    const own = `Host: 127.0.0.1:${port()}`
    for (const [lines, status] of [
      [`GET /version HTTP/1.1\n${own}\nHost: evil.example\n\n`, 4],
      [`GET /version HTTP/1.1\nHost: evil.example\n${own}\n\n`, 4],
      ["GET /version HTTP/1.0\n\n", 4],
      [`GET http://evil.example/version HTTP/1.1\n${own}\n\n`, 4],
      [`POST /api/query HTTP/1.1\n${own}\nContent-Length: 2\nTransfer-Encoding: chunked\n\n0\n\n`, 4],
      [`POST /api/query HTTP/1.1\n${own}\nContent-Length: 2\nContent-Length: 3\n\n{}`, 4],
      [`GET /version HTTP/1.1\n${own}\nConnection: close\n\n`, 2]
    ] as const) {
      assert.match(await raw(lines), new RegExp(`^HTTP/1\\.1 ${status}`), lines)
    }
  })
})

/** Static files on the deployment's own port. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, request } from "node:http"
import { type AddressInfo, connect as dial } from "node:net"
import { once } from "node:events"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer, text } from "node:stream/consumers"
import { gunzipSync } from "node:zlib"
import { afterAll, assert, describe, it, onTestFinished } from "vitest"
import { ConvexEmbeddedError } from "../src/index.ts"
import { deploy, deployForAll } from "./deployment.ts"

const page = "<!doctype html><title>Console</title>"
const root = mkdtempSync(join(tmpdir(), "convex-assets-"))
afterAll(() => rmSync(root, { force: true, recursive: true }))
const folder = join(root, "dist")
for (const [path, content] of Object.entries({
  "dist/.env": "the key",
  "dist/.well-known/security.txt": "Contact:",
  "dist/assets/index-DiwrgTda.js": "export {}",
  "dist/report-20261129.html": page,
  "dist/docs/index.html": page,
  "dist/icon.svg": "<svg/>",
  "dist/index.html": page,
  "dist/größe 1.txt": "big",
  "secret.txt": "the key"
})) {
  mkdirSync(join(root, path, ".."), { recursive: true })
  writeFileSync(join(root, path), content)
}
symlinkSync("index.html", join(folder, "linked.html"))

const shared = deployForAll({ assets: { fallback: "/index.html", files: folder, immutable: "/assets/" } })
const get = (path: string, init?: RequestInit) => fetch(shared().url + path, init)

const policyWith = async (trustedTypes: ReadonlyArray<string>) => {
  const { url } = await deploy({ assets: { files: { "/index.html": page }, trustedTypes } })
  return (await fetch(url)).headers.get("content-security-policy") ?? ""
}

describe("assets", () => {
  it("have the type, the caching and the policy of their names", async () => {
    for (const [path, type, caching, content] of [
      ["/", "text/html; charset=utf-8", "no-cache", page],
      ["/index.html?v=1", "text/html; charset=utf-8", "no-cache", page],
      ["/docs/", "text/html; charset=utf-8", "no-cache", page],
      ["/linked.html", "text/html; charset=utf-8", "no-cache", page],
      [
        "/assets/index-DiwrgTda.js",
        "text/javascript; charset=utf-8",
        "public, max-age=31536000, immutable",
        "export {}"
      ],
      ["/report-20261129.html", "text/html; charset=utf-8", "no-cache", page],
      ["/icon.svg", "image/svg+xml", "no-cache", "<svg/>"],
      ["/gr%C3%B6%C3%9Fe%201.txt", "text/plain; charset=utf-8", "no-cache", "big"],
      ["/.well-known/security.txt", "text/plain; charset=utf-8", "no-cache", "Contact:"]
    ] as const) {
      const answer = await get(path)
      const { headers, status } = answer
      assert.equal(status, 200, path)
      assert.equal(headers.get("content-type"), type, path)
      assert.equal(headers.get("cache-control"), caching, path)
      assert.equal(headers.get("x-content-type-options"), "nosniff", path)
      assert.equal(headers.get("x-frame-options"), "DENY", path)
      assert.equal(headers.get("referrer-policy"), "no-referrer", path)
      assert.equal(await answer.text(), content, path)
    }
    const { host } = new URL(shared().url)
    assert.equal(
      (await get("/")).headers.get("content-security-policy"),
      `default-src 'none'; script-src 'self'; connect-src 'self' ws://${host} wss://${host}; img-src 'self' blob: data:; ` +
        "style-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; " +
        "require-trusted-types-for 'script'"
    )
  })

  it("are sent conditionally, in ranges, and without content to HEAD", async () => {
    const etag = (await get("/")).headers.get("etag")!
    const known = await get("/", { headers: { "if-none-match": etag } })
    assert.deepEqual([known.status, await known.text()], [304, ""])
    assert.include(known.headers.get("content-security-policy"), "default-src 'none'")
    const part = await get("/", { headers: { range: "bytes=0-8" } })
    assert.deepEqual([part.status, await part.text()], [206, "<!doctype"])
    const head = await get("/", { method: "HEAD" })
    assert.deepEqual([head.headers.get("content-length"), await head.text()], [String(page.length), ""])
    assert.equal((await get("/", { method: "POST" })).status, 404)
  })

  it("fall back to the page for navigations only, after HTTP actions", async () => {
    const accept = { headers: { accept: "text/html,application/xhtml+xml" } }
    const fallback = await get("/sessions/42", accept)
    assert.deepEqual([fallback.status, await fallback.text()], [200, page])
    assert.equal((await get("/assets/missing-DiwrgTda.js")).status, 404)
    assert.equal((await get("/%E0%A4%A", accept)).status, 404)
    for (const path of ["/api/nothing", "/http/nothing"]) assert.equal((await get(path, accept)).status, 404, path)
    assert.equal(await (await get("/version")).text(), "convex-embedded")
    const hook = await get("/hook", { body: '{"text":"x"}', method: "POST" })
    assert.deepEqual(await hook.json(), { stored: "x" })
    const strict = await deploy({ assets: { files: folder } })
    assert.equal((await fetch(`${strict.url}/sessions/42`, accept)).status, 404)
  })

  it("do not reach other files, by any path", async () => {
    const { port } = new URL(shared().url)
    for (const path of [
      "/../secret.txt",
      "/docs/../../secret.txt",
      "/%2e%2e/secret.txt",
      "/..%2fsecret.txt",
      "/..%5csecret.txt",
      "/%2e%2e%2fsecret.txt",
      "//secret.txt",
      "/docs/..%00/secret.txt",
      `/${root}/secret.txt`,
      "/.env",
      "/docs"
    ]) {
      // As it is: clients bring paths into order before they send them.
      const socket = dial(Number(port), "127.0.0.1")
      onTestFinished(() => void socket.destroy())
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
      const answer = await text(socket)
      assert.match(answer, /^HTTP\/1\.1 404 /, path)
      assert.notInclude(answer, "the key")
    }
  })

  it("are refused to pages of other sites and under other hosts", async () => {
    const { url } = shared()
    for (const headers of [{ origin: "http://evil.example" }, { host: "evil.example" }]) {
      for (const path of ["/", "/assets/index-DiwrgTda.js", "/sessions/42"]) {
        const sent = request(url, { headers: { accept: "text/html", ...headers }, path })
        sent.end()
        const [answer] = (await once(sent, "response")) as [IncomingMessage]
        assert.equal(answer.statusCode, 403, path)
        assert.notInclude(await text(answer), "Console")
      }
    }
  })

  it("come from a map, too, with a policy of their own", async () => {
    const files = { "/a.wasm": Buffer.from([0, 97]), "/index.html": page }
    const { url } = await deploy({ assets: { contentSecurityPolicy: "default-src 'self'", files } })
    const answer = await fetch(`${url}/a.wasm`)
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), new Uint8Array([0, 97]))
    assert.equal(answer.headers.get("content-type"), "application/wasm")
    assert.equal(answer.headers.get("content-security-policy"), "default-src 'self'")
  })

  it("let scripts create the Trusted Types policies that are named, and no others", async () => {
    assert.match(await policyWith(["app", "lib#2"]), /; require-trusted-types-for 'script'; trusted-types app lib#2$/)
    assert.match(await policyWith([]), /; trusted-types 'none'$/)
  })

  it("are read again by reload", async () => {
    const own = mkdtempSync(join(root, "own-"))
    writeFileSync(join(own, "a.txt"), "one")
    const deployment = await deploy({ assets: { files: own }, functions: join(import.meta.dirname, "fixtures/convex") })
    writeFileSync(join(own, "a.txt"), "two")
    assert.equal(await (await fetch(`${deployment.url}/a.txt`)).text(), "one")
    await deployment.reload()
    assert.equal(await (await fetch(`${deployment.url}/a.txt`)).text(), "two")
  })

  it("with a link that leads out of the folder, or without their folder, are reported at the start", async () => {
    const own = mkdtempSync(join(root, "own-"))
    symlinkSync(join(root, "secret.txt"), join(own, "innocent.txt"))
    const outside = mkdtempSync(join(root, "own-"))
    symlinkSync(root, join(outside, "folder"))
    for (const [assets, named] of [
      [{ files: own }, "innocent.txt"],
      [{ files: outside }, "folder"],
      [{ files: join(root, "nothing") }, "nothing"],
      [{ fallback: "/app.html", files: folder }, "/app.html"],
      [{ files: { "a.txt": "" } }, "a.txt"],
      [{ files: folder, immutable: "assets" }, "not assets"],
      [{ files: folder, trustedTypes: ["app; script-src *"] }, "script-src"]
    ] as const) {
      const error: unknown = await deploy({ assets }).catch((cause: unknown) => cause)
      assert.instanceOf(error, ConvexEmbeddedError, named)
      assert.equal(error.code, "InvalidOptions")
      assert.include(error.message, named)
    }
  })

  it("are sent compressed to clients that accept it, except ranges and content that does not become smaller", async () => {
    const script = "export const words = 'the same words'\n".repeat(100)
    const { url } = await deploy({ assets: { files: { "/a.js": script, "/a.png": script, "/small.txt": "x" } } })
    const raw = async (path: string, headers: Record<string, string>) => {
      const sent = request(url, { headers, path })
      sent.end()
      const [answer] = (await once(sent, "response")) as [IncomingMessage]
      return { headers: answer.headers, body: await buffer(answer) }
    }
    const whole = await raw("/a.js", { "accept-encoding": "br, gzip" })
    assert.equal(whole.headers["content-encoding"], "gzip")
    assert.equal(whole.headers.vary, "accept-encoding")
    assert.isBelow(whole.body.byteLength, script.length / 10)
    assert.equal(gunzipSync(whole.body).toString(), script)
    for (const [path, headers] of [
      ["/a.js", {}],
      ["/a.js", { "accept-encoding": "gzip;q=0, identity" }],
      ["/a.js", { "accept-encoding": "gzip", range: "bytes=0-" }],
      ["/a.png", { "accept-encoding": "gzip" }],
      ["/small.txt", { "accept-encoding": "gzip" }]
    ] as const) {
      const plain = await raw(path, headers)
      assert.isUndefined(plain.headers["content-encoding"], path)
      assert.equal(plain.body.toString(), path === "/small.txt" ? "x" : script)
      // A cache must not mix the two contents.
      assert.notEqual(plain.headers.etag, whole.headers.etag)
    }
    const etag = whole.headers.etag!
    const known = await raw("/a.js", { "accept-encoding": "gzip", "if-none-match": etag })
    assert.equal(known.body.byteLength, 0)
  })
})

describe("an HTTP action", () => {
  it("requests other servers", async () => {
    const receiver = createServer((received, response) => {
      text(received).then(
        (body) => response.writeHead(202).end(`${received.method}: ${body}`),
        () => response.destroy()
      )
    })
    onTestFinished(() => void receiver.close())
    await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve))
    const { port } = receiver.address() as AddressInfo
    const answer = await get(`/relay?of=${encodeURIComponent(`http://127.0.0.1:${port}/`)}`)
    assert.deepEqual([answer.status, await answer.text()], [202, "POST: from an action"])
  })
})

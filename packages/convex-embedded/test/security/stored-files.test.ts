/** Stored content cannot attack the deployment's origin, and URLs of files cannot address other files of the machine. */
import { writeFileSync } from "node:fs"
import { connect as dial } from "node:net"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { assert, describe, it, onTestFinished } from "vitest"
import { connectHttp, deploy, temporaryFolder } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"

const PAGE = "<script>fetch('/api/mutation')</script>"

describe("a stored file", () => {
  it("is sent as a download that browsers neither run nor sniff", async () => {
    const deployment = await deploy()
    const client = connectHttp(deployment)
    for (const [given, type] of [
      ["text/html", "text/html"],
      ["image/svg+xml", "image/svg+xml"],
      ["text/html\u{e9}", "application/octet-stream"]
    ] as const) {
      const init = { body: PAGE, headers: { "content-type": given }, method: "POST" }
      const answer = await fetch(await client.mutation(api.files.uploadUrl, {}), init)
      const { storageId } = (await answer.json()) as { storageId: string }
      const { headers, status } = await fetch(`${deployment.url}/api/storage/${storageId}`)
      assert.equal(status, 200)
      assert.equal(headers.get("content-type"), type)
      assert.equal(headers.get("content-disposition"), "attachment")
      assert.equal(headers.get("x-content-type-options"), "nosniff")
      assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*sandbox/)
    }
  })

  it("is the only file that its URL can address", async () => {
    const folder = temporaryFolder()
    const deployment = await deploy({ dataDir: join(folder, "deployment") })
    writeFileSync(join(folder, "operator.json"), "the key")
    const { port } = new URL(deployment.url)
    const paths = [
      "../operator.json",
      "../../operator.json",
      "..%2foperator.json",
      "%2e%2e/%2e%2e/operator.json",
      "/etc/passwd",
      "....//operator.json",
      "lock.json",
      "data.sqlite",
      "..\\operator.json",
      "%00",
      ""
    ]
    for (const path of paths) {
      // As it is: clients bring paths into order before they send them.
      const socket = dial(Number(port), "127.0.0.1")
      onTestFinished(() => void socket.destroy())
      socket.write(`GET /api/storage/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
      const answer = await text(socket)
      assert.match(answer, /^HTTP\/1\.1 40[04] /, path)
      assert.notInclude(answer, "the key")
      assert.notInclude(answer, "SQLite format")
    }
  })
})

describe("a response of the deployment", () => {
  it("is not cached, framed, run or sniffed", async () => {
    const { url } = await deploy()
    const post = { body: '{"path":"counters:read","args":{"name":"n"}}', method: "POST" }
    for (const [path, init] of [
      ["/version", {}],
      ["/api/query", post],
      ["/api/query", { ...post, body: "{" }],
      ["/api/nothing", post],
      ["/api/storage/nothing", {}],
      ["/api/export", {}],
      ["/nothing", {}]
    ] as const) {
      const { headers } = await fetch(url + path, init)
      assert.equal(headers.get("x-content-type-options"), "nosniff", path)
      assert.equal(headers.get("cache-control"), "no-store", path)
      assert.match(headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/, path)
      assert.match(headers.get("content-type") ?? "", /^(application\/json|text\/plain)/, path)
    }
  })
})

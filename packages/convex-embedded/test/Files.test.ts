import { createHash } from "node:crypto"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, deploy, deployForAll, emptied, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import type { Id } from "./fixtures/convex/_generated/dataModel.js"

const upload = async (url: string, body: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(url, { body, headers: { "content-type": "text/x-test", ...headers }, method: "POST" })
  return { body: (await answer.json()) as { storageId: Id<"_storage"> }, status: answer.status }
}

const digest = (text: string) => ({ digest: `sha-256=${createHash("sha256").update(text).digest("base64")}` })

const shared = deployForAll()

describe("files", () => {
  it("are uploaded, described, downloaded and deleted", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    const { body, status } = await upload(await client.mutation(api.files.uploadUrl, {}), "content")
    assert.equal(status, 200)
    const id = body.storageId
    const hash = createHash("sha256").update("content").digest()
    const described = await client.query(api.files.describe, { id })
    assert.deepEqual(described, { contentType: "text/x-test", sha256: hash.toString("base64"), size: 7 })
    assert.equal((await client.query(api.files.metadata, { id }))?.sha256, hash.toString("hex"))
    const url = watch(client, api.files.url, { id })
    const file = (await url.until((value) => typeof value === "string")) as string
    const answer = await fetch(file)
    assert.equal(answer.headers.get("content-type"), "text/x-test")
    assert.equal(answer.headers.get("digest"), digest("content").digest)
    assert.equal(await answer.text(), "content")
    await client.mutation(api.files.remove, { fail: true, id }).catch(() => undefined)
    assert.equal((await fetch(file)).status, 200, "a deletion that fails is undone")
    await client.mutation(api.files.remove, { fail: false, id })
    await url.until((value) => value === null)
    assert.equal((await fetch(file)).status, 404)
  })

  it("can be stored and read by actions, and survive a restart", async () => {
    const first = await deploy()
    const empty = await connectHttp(first).action(api.files.throughAction, { text: "" })
    assert.equal(empty.text, "")
    assert.equal(await (await fetch(empty.url!)).text(), "")
    assert.equal((await fetch(empty.url!, { headers: { range: "bytes=0-" } })).status, 416)
    const stored = await connectHttp(first).action(api.files.throughAction, { text: "hello" })
    assert.equal(stored.text, "HELLO")
    assert.equal(stored.type, "text/plain")
    assert.equal(await (await fetch(stored.url!)).text(), "hello")
    await first.close()
    const second = await deploy({ dataDir: first.dataDir })
    const url = await connectHttp(second).query(api.files.url, { id: stored.id })
    assert.isTrue(url?.startsWith(second.url))
    assert.equal(await (await fetch(url)).text(), "hello")
  })

  it("are rejected with an invalid URL or a wrong digest", async () => {
    const deployment = await emptied(shared())
    const url = await connectHttp(deployment).mutation(api.files.uploadUrl, {})
    const forged = url.replace(/token=\d+/, `token=${Date.now() + 10_000_000}`)
    for (const wrong of [forged, url.slice(0, -1), url.split("?")[0]!])
      assert.equal((await upload(wrong, "x")).status, 403)
    assert.equal((await upload(url, "content", digest("another"))).status, 400)
    assert.equal((await upload(url, "content", digest("content"))).status, 200)
    assert.equal((await fetch(`${deployment.url}/api/storage/nonsense`)).status, 404)
  })

  it("are sent in ranges, and not again to a client that has them", async () => {
    const deployment = await emptied(shared())
    const client = connectHttp(deployment)
    const { body } = await upload(await client.mutation(api.files.uploadUrl, {}), "0123456789")
    const url = (await client.query(api.files.url, { id: body.storageId }))!
    const whole = await fetch(url)
    assert.equal(whole.headers.get("accept-ranges"), "bytes")
    const etag = whole.headers.get("etag")!
    for (const [range, status, content, contentRange] of [
      ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
      ["bytes=4-", 206, "456789", "bytes 4-9/10"],
      ["bytes=-2", 206, "89", "bytes 8-9/10"],
      ["bytes=9-99", 206, "9", "bytes 9-9/10"],
      ["bytes=-99", 206, "0123456789", "bytes 0-9/10"],
      ["bytes=10-", 416, "", "bytes */10"],
      ["bytes=-0", 416, "", "bytes */10"],
      ["bytes=5-4", 200, "0123456789", null],
      ["bytes=0-1,3-4", 200, "0123456789", null],
      ["lines=1-2", 200, "0123456789", null],
      ["bytes=-", 200, "0123456789", null]
    ] as const) {
      const answer = await fetch(url, { headers: { range } })
      assert.equal(answer.status, status, range)
      assert.equal(answer.headers.get("content-range"), contentRange, range)
      assert.equal(answer.headers.get("content-length"), String(content.length), range)
      assert.equal(await answer.text(), content, range)
    }
    const conditional = async (headers: Record<string, string>) => {
      const answer = await fetch(url, { headers })
      return [answer.status, await answer.text()]
    }
    assert.deepEqual(await conditional({ "if-none-match": `"other", W/${etag}` }), [304, ""])
    assert.deepEqual(await conditional({ "if-none-match": '"other"' }), [200, "0123456789"])
    assert.deepEqual(await conditional({ "if-range": etag, range: "bytes=0-1" }), [206, "01"])
    assert.deepEqual(await conditional({ "if-range": '"other"', range: "bytes=0-1" }), [200, "0123456789"])
    const head = await fetch(url, { headers: { range: "bytes=2-3" }, method: "HEAD" })
    assert.deepEqual([head.status, head.headers.get("content-length"), await head.text()], [206, "2", ""])
    const empty = await upload(await client.mutation(api.files.uploadUrl, {}), "")
    const none = (await client.query(api.files.url, { id: empty.body.storageId }))!
    assert.equal((await fetch(none)).headers.get("content-length"), "0")
  })
})

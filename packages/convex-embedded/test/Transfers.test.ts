import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, deploy, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const adminKey = "the key of the administrator"
const bearer = { authorization: `Convex ${adminKey}` }

const request = async (url: string, path: string, init: RequestInit = {}) => {
  const answer = await fetch(url + path, init)
  return { body: await answer.text(), status: answer.status }
}

const status = async (url: string, path: string, headers: Record<string, string>) =>
  (await request(url, path, { headers })).status

const lines = (body: string) =>
  body
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { _id: string; text: string })

describe("transfers", () => {
  it("an exported and imported table is equal, including ids and times", async () => {
    const source = await deploy({ adminKey })
    await connectHttp(source).mutation(api.messages.sendMany, { channel: "c", count: 300 })
    const exported = await request(source.url, "/api/export?table=messages", { headers: bearer })
    assert.equal(exported.status, 200)
    assert.lengthOf(lines(exported.body), 300)

    const copy = await deploy({ adminKey })
    const client = connect(copy)
    await client.mutation(api.messages.send, { author: "a", channel: "c", text: "here before" })
    const list = watch(client, api.messages.list, { channel: "c" })
    await list.until((value) => Array.isArray(value) && value.length === 1)
    const body = exported.body
    const replace = { body, headers: bearer, method: "POST" }
    const imported = await request(copy.url, "/api/import?table=messages&mode=replace", replace)
    assert.deepEqual(imported, { body: '{"documents":300}', status: 200 })
    await list.until((value) => Array.isArray(value) && value.length === 300)
    assert.deepEqual(list.latest(), await connectHttp(source).query(api.messages.list, { channel: "c" }))

    const again = await request(copy.url, "/api/import?table=messages", replace)
    assert.equal(again.status, 200)
    assert.lengthOf(await connectHttp(copy).query(api.messages.list, { channel: "c" }), 300)
  })

  it("an import with an invalid line has no effect, and the error names the line", async () => {
    const deployment = await deploy({ adminKey })
    const good = JSON.stringify({ author: "a", channel: "c", text: "good" })
    for (const [bad, why] of [
      [JSON.stringify({ author: "a", channel: "c", text: 1 }), "does not match the schema"],
      ["{", "JSON"]
    ] as const) {
      const init = { body: `${good}\n${bad}\n`, headers: bearer, method: "POST" }
      const { body, status: code } = await request(deployment.url, "/api/import?table=messages", init)
      assert.equal(code, 400)
      assert.include(body, "Line 2")
      assert.include(body, why)
    }
    assert.deepEqual(await connectHttp(deployment).query(api.messages.list, { channel: "c" }), [])
  })

  it("rejects requests without the admin key, and all requests if none is configured", async () => {
    const [locked, open] = [await deploy({ adminKey }), await deploy()]
    assert.equal(await status(locked.url, "/api/export?table=messages", {}), 401)
    assert.equal(await status(locked.url, "/api/export?table=messages", { authorization: "Convex another key" }), 401)
    assert.equal(await status(locked.url, "/api/export?table=messages", { authorization: `Bearer ${adminKey}` }), 401)
    assert.equal(await status(open.url, "/api/export?table=messages", bearer), 401)
    assert.equal(await status(locked.url, "/api/export?table=_storage", bearer), 400)
    assert.equal(await status(locked.url, "/api/export?table=nothing", bearer), 400)
    assert.equal(await status(locked.url, "/api/export", bearer), 400)
    assert.equal(await status(locked.url, "/api/import?table=messages", bearer), 405)
  })

  it("the command exports and imports", async () => {
    const [source, copy] = [await deploy({ adminKey }), await deploy({ adminKey })]
    await connectHttp(source).mutation(api.messages.sendMany, { channel: "c", count: 3 })
    const run = async (verb: string, url: string, input: string) => {
      const script = fileURLToPath(import.meta.resolve("../src/cli.ts"))
      const child = spawn(process.execPath, [script, verb, "messages", "--url", url], {
        env: { ...process.env, CONVEX_EMBEDDED_ADMIN_KEY: adminKey },
        stdio: ["pipe", "pipe", "inherit"]
      })
      child.stdin.end(input)
      return text(child.stdout)
    }
    const exported = await run("export", source.url, "")
    assert.lengthOf(lines(exported), 3)
    assert.equal(await run("import", copy.url, exported), "Imported 3 documents\n")
    assert.lengthOf(await connectHttp(copy).query(api.messages.list, { channel: "c" }), 3)
  })
})

import { once } from "node:events"
import { assert, describe, it } from "vitest"
import { WebSocket } from "ws"
import { limits } from "../src/internal/values/limits.ts"
import { connect, connectHttp, deployForAll, emptied, watch } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import { openSocket } from "./raw.ts"

const CONNECT = { connectionCount: 0, lastCloseReason: null, sessionId: crypto.randomUUID(), type: "Connect" }
const HIGHEST_TS = Buffer.alloc(8, 0x7f).toString("base64")

const shared = deployForAll()

describe("protocol", () => {
  it("a malformed frame closes only its own connection", async () => {
    const deployment = await emptied(shared())
    const client = connect(deployment)
    const counter = watch(client, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    const frames: Array<ReadonlyArray<string | Uint8Array>> = [
      ["not JSON"],
      ["é".repeat(200)],
      ["null"],
      ["[]"],
      [new Uint8Array([1, 2, 3])],
      [JSON.stringify({ type: "Mutation" })],
      [JSON.stringify({ baseVersion: 0, modifications: [], newVersion: 1, type: "ModifyQuerySet" })],
      ...[
        CONNECT,
        { type: "Unknown" },
        { requestId: -1, type: "Mutation", udfPath: "a:b" },
        { args: {}, requestId: 1, type: "Mutation", udfPath: "a:b" },
        { args: [JSON.parse('{"__proto__":{"name":"n"}}')], requestId: 1, type: "Mutation", udfPath: "counters:add" },
        { baseVersion: 7, modifications: [], newVersion: 8, type: "ModifyQuerySet" },
        { baseVersion: 0, modifications: [{ type: "Add" }], newVersion: 1, type: "ModifyQuerySet" },
        { baseVersion: 3, tokenType: "None", type: "Authenticate" }
      ].map((message) => [JSON.stringify(CONNECT), JSON.stringify(message)]),
      [
        JSON.stringify(CONNECT),
        String.raw`{"type":"Mutation","requestId":1,"udfPath":"a:b","args":[{"__\u0070roto__":{}}]}`
      ],
      [JSON.stringify({ ...CONNECT, maxObservedTimestamp: HIGHEST_TS })],
      [JSON.stringify({ ...CONNECT, padding: "x".repeat(21 * 1024 * 1024) })]
    ]
    for (const frame of frames) {
      const socket = await openSocket(deployment.url)
      for (const message of frame) socket.send(message, { binary: typeof message !== "string" })
      const [code] = (await once(socket, "close")) as [number]
      assert.include([1008, 1009], code, String(frame.at(-1)).slice(0, 100))
    }
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
    await counter.until((value) => value === 1)
  })

  it("a mutation that is resent on a new connection is answered, not repeated", async () => {
    const deployment = await emptied(shared())
    const results = []
    for (let i = 0; i < 3; i++) {
      const socket = await openSocket(deployment.url)
      socket.send(JSON.stringify(CONNECT))
      socket.send(JSON.stringify({ args: [{ name: "n" }], requestId: 5, type: "Mutation", udfPath: "counters:add" }))
      const [data] = (await once(socket, "message")) as [Buffer]
      results.push((JSON.parse(data.toString()) as { result: number }).result)
      socket.terminate()
    }
    assert.deepEqual(results, [1, 1, 1])
    assert.equal(await connectHttp(deployment).query(api.counters.read, { name: "n" }), 1)
  })

  it("invalid HTTP requests are rejected with a status and code", async () => {
    const { url } = await emptied(shared())
    const status = async (path: string, init: RequestInit) => (await fetch(url + path, init)).status
    assert.equal(await status("/api/query", { body: "nonsense", method: "POST" }), 400)
    assert.equal(await status("/api/query", { body: '{"args":{}}', method: "POST" }), 400)
    assert.equal(await status("/api/query", { method: "GET" }), 400)
    assert.equal(await status("/api/query?path=counters:read&args={", { method: "GET" }), 400)
    assert.equal(await status("/api/mutation?path=counters:add", { method: "GET" }), 405)
    assert.equal(await status("/api/nothing", { body: "{}", method: "POST" }), 404)
    assert.equal(await status("/api/query", { method: "OPTIONS" }), 204)
    assert.equal(await status("/api/query", { body: "{}", headers: { authorization: "Basic x" }, method: "POST" }), 400)
    const tooLarge = "x".repeat(limits.messageBytes + 1)
    assert.equal(await status("/api/query", { body: tooLarge, method: "POST" }), 413)
    assert.equal(await status("/version", {}), 200)
    const refused = new WebSocket(`${url.replace("http", "ws")}/elsewhere`)
    const [cause] = (await once(refused, "error")) as [Error]
    assert.include(cause.message, "404")
  })

  it("a query is read by GET, with its path and arguments in the URL", async () => {
    const deployment = await emptied(shared())
    await connectHttp(deployment).mutation(api.counters.add, { name: "of GET" })
    const read = (path: string) => {
      const query = new URLSearchParams({ args: '{"name":"of GET"}', format: "json", path })
      return fetch(`${deployment.url}/api/query?${query.toString()}`)
    }
    assert.include((await (await read("counters:read")).json()) as object, { status: "success", value: 1 })
    assert.equal((await read("counters:add")).status, 560)
  })

  it("a client that does not read delays no other client", async () => {
    const deployment = await emptied(shared())
    const slow = await openSocket(deployment.url)
    slow.pause()
    slow.send(JSON.stringify(CONNECT))
    const add = { args: [{}], queryId: 0, type: "Add", udfPath: "misc:sorted" }
    slow.send(JSON.stringify({ baseVersion: 0, modifications: [add], newVersion: 1, type: "ModifyQuerySet" }))
    const client = connect(deployment)
    for (let i = 0; i < 20; i++) await client.mutation(api.misc.put, { value: "x".repeat(500_000) })
    assert.lengthOf(await client.query(api.misc.sorted, {}), 20)
  })
})

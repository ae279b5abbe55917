/** Promises that are stored, raced or left behind: none of them may end the process when it is rejected. */
import { once } from "node:events"
import { connect as dial } from "node:net"
import { MessageChannel } from "node:worker_threads"
import { anyApi } from "convex/server"
import { assert, describe, it, onTestFinished } from "vitest"
import { type Api, Peer } from "../../src/internal/threads/rpc.ts"
import { connect, connectHttp } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import { project } from "../project.ts"
import { connectFrame, openSocket, post } from "../raw.ts"
import { serve } from "../served.ts"

/** Every promise that is rejected while nothing listens to it. */
const unheard = (): ReadonlyArray<unknown> => {
  const causes: Array<unknown> = []
  const listen = (cause: unknown) => causes.push(cause)
  process.on("unhandledRejection", listen)
  onTestFinished(() => void process.off("unhandledRejection", listen))
  return causes
}

/** Rejections are reported when all promises that are due have been settled. */
const settled = () => new Promise((resolve) => setImmediate(resolve))

const peers = (local: Api) => {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  const [, near] = [new Peer(port2, local), new Peer<{ method: (argument: unknown) => unknown }>(port1, {})]
  return near
}

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("it should have failed"),
    (cause: unknown) => cause
  )

describe("calls between threads", () => {
  it("a call that cannot be cloned fails, without an unhandled rejection when the other side ends", async () => {
    const causes = unheard()
    const peer = peers({ method: () => null })
    assert.match(String(await failureOf(peer.call("method", () => 1))), /could not be cloned/)
    peer.end(new Error("the other side has ended"))
    await settled()
    assert.isEmpty(causes)
  })

  it("a result or failure that cannot be cloned is a failure", async () => {
    const causes = unheard()
    const result = peers({ method: () => () => 1 })
    assert.match(String(await failureOf(result.call("method", 1))), /could not be cloned/)
    const thrown = peers({
      method: () => {
        throw Object.assign(new Error("x"), { message: () => 1 })
      }
    })
    assert.match(String(await failureOf(thrown.call("method", 1))), /=> 1/)
    await settled()
    assert.isEmpty(causes)
  })

  it("pending calls fail when the other side ends", async () => {
    const causes = unheard()
    const peer = peers({ method: () => new Promise(() => undefined) })
    const failures = [1, 2, 3].map((argument) => failureOf(peer.call("method", argument)))
    peer.end(new Error("over"))
    assert.deepEqual((await Promise.all(failures)).map(String), ["Error: over", "Error: over", "Error: over"])
    await settled()
    assert.isEmpty(causes)
  })
})

/** A request that says how long it is, and may have sent less. */
const body = (path: string, sent: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${sent}`

describe("the process continues", () => {
  it("when clients disconnect during requests, calls, uploads and responses", async () => {
    const { child, url } = await serve({ functions: project({ "http.ts": HTTP, "slow.ts": SLOW }) })
    const { port } = new URL(url)
    const send = async (...parts: ReadonlyArray<string>) => {
      const socket = dial(Number(port), "127.0.0.1")
      socket.on("error", () => undefined)
      await once(socket, "connect")
      for (const part of parts) socket.write(part)
      return socket
    }
    const call = '{"path":"slow:wait","args":{}}'
    const uploadUrl = new URL(await connectHttp({ url }).mutation(anyApi["slow"]!["upload"]!, {}))
    for (const request of [
      body("/api/query", '{"path":', 1000),
      body("/api/action", call, call.length),
      body("/hook", "begin", 1000),
      body("/hook", "", 0),
      body("/fails", "", 0),
      body(uploadUrl.pathname + uploadUrl.search, "begin", 1000),
      "GET /api/query HTTP/9.9\r\n\r\n",
      "\0".repeat(100),
      "GET /api/1/sync HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    ]) {
      const socket = await send(request)
      await new Promise((resolve) => setImmediate(resolve))
      socket.destroy()
    }
    assert.equal((await post(url, "/fails", "")).status, 500)
    assert.include(String(await failureOf(post(url, "/breaks", ""))), "fetch failed")
    for (const type of ["Mutation", "Action"]) {
      const socket = await openSocket(url)
      socket.send(JSON.stringify(connectFrame()))
      const path = type === "Action" ? "slow:wait" : "slow:write"
      socket.send(JSON.stringify({ args: [{}], requestId: 1, type, udfPath: path }))
      socket.terminate()
    }
    assert.equal(await connectHttp({ url }).mutation(anyApi["slow"]!["write"]!, {}), null)
    assert.isNull(child.exitCode)
    assert.isNull(child.signalCode)
  })

  it("when threads end under queries, mutations, subscriptions, jobs and actions", async () => {
    const { child, url } = await serve({ userTimeLimit: 200 })
    const client = connect({ url })
    client.onUpdate(api.counters.read, { name: "n" }, () => undefined)
    await client.mutation(api.stuck.scheduleJob, {})
    const calls = [
      client.mutation(api.stuck.exiting, {}),
      client.mutation(api.stuck.writing, { name: "n" }),
      client.mutation(api.stuck.leaving, {}),
      client.query(api.counters.read, { name: "n" }),
      client.action(api.messages.throughAction, { channel: "c", text: "x" })
    ]
    await Promise.allSettled(calls)
    // Counted by what came through.
    assert.isAbove(await client.mutation(api.counters.add, { name: "m" }), 0)
    assert.isNull(child.exitCode)
    assert.isNull(child.signalCode)
  })
})

const SLOW = `
  import { action, mutation } from "./_generated/server"
  export const wait = action(() => new Promise((resolve) => setTimeout(resolve, 50)))
  export const write = mutation(async (ctx) => { await ctx.db.insert("things", {}) })
  export const upload = mutation((ctx) => ctx.storage.generateUploadUrl())
`

const HTTP = `
  import { httpRouter } from "convex/server"
  import { ConvexError } from "convex/values"
  import { httpAction } from "./_generated/server"
  const http = httpRouter()
  const large = () => new Response(new ReadableStream({
    pull: async (controller) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      controller.enqueue(new Uint8Array(100_000))
    }
  }))
  http.route({ handler: httpAction(async () => large()), method: "POST", path: "/hook" })
  http.route({ handler: httpAction(async () => { throw new ConvexError("not JSON") }), method: "POST", path: "/fails" })
  http.route({
    handler: httpAction(async () => new Response(new ReadableStream({ start: (to) => to.error(new Error("broken")) }))),
    method: "POST",
    path: "/breaks"
  })
  export default http
`

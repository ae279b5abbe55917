/** Connections that take places and give nothing, against clients that prove who they are. */
import { once } from "node:events"
import { connect as dial, type Socket } from "node:net"
import { text } from "node:stream/consumers"
import { assert, describe, it, onTestFinished } from "vitest"
import type { WebSocket } from "ws"
import { type Candidate, GRACE_MILLIS, shortOfBytes, shortOfPlaces } from "../../src/internal/access/connections.ts"
import { limits } from "../../src/internal/values/limits.ts"
import { connect, deploy, deployForAll, watch } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import { startIssuer } from "../issuer.ts"
import { randomOf } from "../random.ts"
import { connectFrame, openSocket } from "../raw.ts"

const shared = deployForAll()

const candidate = (standing: Candidate["standing"], since: number, messages = 0): Candidate => ({
  bytes: { files: 0, messages },
  since,
  standing
})

/** A TCP connection over which nothing is sent. */
const silent = async (url: string): Promise<Socket> => {
  const socket = dial(Number(new URL(url).port), "127.0.0.1")
  socket.on("error", () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, "connect")
  return socket
}

const connected = async (url: string): Promise<WebSocket> => {
  const socket = await openSocket(url)
  socket.send(JSON.stringify(connectFrame()))
  return socket
}

/** A deployment that knows one issuer, and clients with its tokens. */
const secured = async () => {
  const issuer = await startIssuer()
  const deployment = await deploy({ auth: { discovery: true, providers: [issuer.provider] } })
  const token = await issuer.token()
  const authenticated = async () => {
    const client = connect(deployment)
    const isKnown = new Promise<boolean>((resolve) => client.setAuth(async () => token, resolve))
    assert.isTrue(await isKnown)
    return client
  }
  return { authenticated, deployment }
}

const sequentially = async <A>(count: number, make: () => Promise<A>): Promise<Array<A>> => {
  const made: Array<A> = []
  while (made.length < count) made.push(await make())
  return made
}

describe("at the limit of connections", () => {
  it("drops the longest idle connection, then the youngest anonymous one, never an authenticated one", () => {
    const now = 100 * GRACE_MILLIS
    const old = now - 2 * GRACE_MILLIS
    const [longIdle, idle] = [candidate("idle", old - 1), candidate("idle", old)]
    const [established, young] = [candidate("anonymous", old - 9), candidate("anonymous", old)]
    const [first, last] = [candidate("idle", now - 2), candidate("anonymous", now - 1)]
    const order = [longIdle, idle, young, established, first, last]
    const left = new Set([candidate("authenticated", 0), ...order.toReversed()])
    for (const expected of order) {
      assert.strictEqual(shortOfPlaces(left, now), expected)
      left.delete(expected)
    }
    assert.isUndefined(shortOfPlaces(left, now))
  })

  it(
    "a client with a token can connect, and connected ones stay, whatever other clients do",
    { timeout: 120_000 },
    async () => {
      const { authenticated, deployment } = await secured()
      const before = await authenticated()
      const counter = watch(before, api.counters.read, { name: "n" })
      await counter.until((value) => value === 0)
      const half = Math.floor(limits.connections / 2)
      await sequentially(half, () => silent(deployment.url))
      await sequentially(half, () => openSocket(deployment.url))
      await sequentially(half, () => connected(deployment.url))
      const late = await authenticated()
      assert.equal(await late.mutation(api.counters.add, { name: "n" }), 1)
      await counter.until((value) => value === 1)
      await sequentially(half, () => silent(deployment.url))
      assert.equal(await late.mutation(api.counters.add, { name: "n" }), 2)
      await counter.until((value) => value === 2)
      for (const client of [before, late]) assert.equal(client.connectionState().connectionCount, 1)
    }
  )
})

describe("at the limit of memory", () => {
  it("drops the largest connection without a token, otherwise the requesting one", () => {
    const random = randomOf(7)
    for (let round = 0; round < 1000; round++) {
      const all = Array.from({ length: 1 + Math.floor(random() * 8) }, () =>
        candidate(random() < 0.4 ? "authenticated" : "anonymous", 0, Math.floor(random() * 5))
      )
      const asking = all[0]!
      const victim = shortOfBytes(all, asking, "messages")
      const others = all.filter(({ bytes, standing }) => standing !== "authenticated" && bytes.messages > 0)
      if (others.length === 0) assert.strictEqual(victim, asking)
      else assert.equal(victim.bytes.messages, Math.max(...others.map(({ bytes }) => bytes.messages)))
      assert.isTrue(victim === asking || victim.standing !== "authenticated")
    }
  })

  it("a client with a token keeps its connection, and an anonymous one is closed with a reason", async () => {
    const issuer = await startIssuer()
    const deployment = await deploy({
      auth: { discovery: true, providers: [issuer.provider] },
      connectionMemory: 64 * 1024 * 1024
    })
    const client = connect(deployment)
    const token = await issuer.token()
    await new Promise((resolve) => client.setAuth(async () => token, resolve))
    const sockets = await sequentially(4, () => connected(deployment.url))
    const closed = sockets.map(async (socket) => (await once(socket, "close")) as [number, Buffer])
    for (const socket of sockets) socket.send("x".repeat(19 * 1024 * 1024), { fin: false })
    const [code, reason] = await Promise.race(closed)
    assert.equal(code, 1013)
    assert.match(reason.toString(), /^TooManyConcurrentRequests: its memory is needed/)
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
    assert.equal(client.connectionState().connectionCount, 1)
  })
})

describe("a silent connection", () => {
  it("is closed when it does not send Connect in time", { timeout: 30_000 }, async () => {
    const socket = await openSocket(shared().url)
    const [code, reason] = (await once(socket, "close")) as [number, Buffer]
    assert.equal(code, 1008)
    assert.match(reason.toString(), /^ConnectTimeout: .*10 s$/)
  })

  it("is closed when it does not end the headers of its request in time", { timeout: 40_000 }, async () => {
    const socket = await silent(shared().url)
    socket.write("POST /api/query HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    assert.match(await text(socket), /^HTTP\/1\.1 408 /)
  })
})

import { once } from "node:events"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocket, WebSocketServer } from "ws"
import { until } from "../src/index.ts"
import { openRelay } from "../src/relay.ts"

/** A server that sends each message back, and `reply` after it. */
const deployment = async (reply?: object) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
  await once(server, "listening")
  onTestFinished(() => {
    server.close()
  })
  const paths: Array<string> = []
  server.on("connection", (socket, { url = "" }) => {
    paths.push(url)
    socket.on("message", (data: Buffer) => {
      socket.send(data.toString())
      if (reply !== undefined) socket.send(JSON.stringify(reply))
    })
  })
  const address = server.address()
  const relay = await openRelay(`http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`)
  onTestFinished(() => relay.close())
  return { paths, relay, server }
}

/** A client that collects what it receives. */
const connected = async (url: string) => {
  const socket = new WebSocket(`${url.replace("http", "ws")}/api/sync`)
  const received: Array<string> = []
  socket.on("message", (data: Buffer) => received.push(data.toString()))
  await once(socket, "open")
  return { received, socket }
}

describe("the relay", () => {
  it("forwards messages both ways, and counts them by function, with their bytes", async () => {
    const update = { type: "Transition", modifications: [{ type: "QueryUpdated", queryId: 7 }] }
    const { paths, relay } = await deployment(update)
    const { received, socket } = await connected(relay.url)
    const messages = [
      { type: "ModifyQuerySet", modifications: [{ type: "Add", queryId: 7, udfPath: "turns:list" }] },
      { type: "Mutation", udfPath: "turns:send" },
      { type: "Mutation", udfPath: "turns:send" }
    ].map((message) => JSON.stringify(message))
    for (const message of messages) socket.send(message)
    await until(() => received.length === 6, "the answers")
    assert.deepEqual(paths, ["/api/sync"])
    assert.sameMembers(received, [...messages, ...messages.map(() => JSON.stringify(update))])
    const { bytes, mutationBytes, mutations, received: back, results } = relay.take()
    assert.deepEqual(mutations, { "turns:send": 2 })
    assert.deepEqual(results, { "turns:list": 3 })
    assert.equal(bytes, messages.join("").length)
    assert.deepEqual(mutationBytes, { "turns:send": 2 * (messages[1] ?? "").length })
    assert.equal(back, received.join("").length)
    // Each reading begins at zero.
    assert.deepEqual(relay.take(), { bytes: 0, mutationBytes: {}, mutations: {}, received: 0, results: {} })
  })

  it("closes a connection when its other side closes", async () => {
    const { relay, server } = await deployment()
    const first = await connected(relay.url)
    await until(() => server.clients.size === 1, "the first connection")
    for (const socket of server.clients) socket.terminate()
    if (first.socket.readyState !== WebSocket.CLOSED) await once(first.socket, "close")
    const second = await connected(relay.url)
    await until(() => server.clients.size === 1, "the second connection")
    second.socket.terminate()
    await until(() => server.clients.size === 0, "its end at the deployment")
    assert.equal(first.socket.readyState, WebSocket.CLOSED)
  })
})

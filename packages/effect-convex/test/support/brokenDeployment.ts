/** A WebSocket server that sends one wrong message to its first client. */
import { once } from "node:events"
import { Effect } from "effect"
import { type RawData, WebSocket, WebSocketServer } from "ws"

/** Forwards messages in both directions. */
const forward = (client: WebSocket, target: string) => {
  const server = new WebSocket(target)
  const waiting: Array<RawData> = []
  const text = { binary: false } as const
  client.on("message", (data) => {
    if (server.readyState === WebSocket.OPEN) server.send(data, text)
    else waiting.push(data)
  })
  server.on("open", () => {
    for (const data of waiting) server.send(data, text)
  })
  server.on("message", (data) => {
    client.send(data, text)
  })
  server.on("error", () => {
    client.terminate()
  })
  server.on("close", () => {
    client.terminate()
  })
  client.on("close", () => {
    server.terminate()
  })
}

/**
 * Sends `message` to every client or, if there is a `real` deployment, to the first one only; later clients reach that
 * deployment. Returns the URL and the number of connections so far.
 */
export const brokenDeployment = (message: string, real?: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
      let connections = 0
      server.on("connection", (socket, { url }) => {
        connections += 1
        if (real !== undefined && connections > 1) forward(socket, `${real.replace(/^http/, "ws")}${url ?? ""}`)
        else socket.send(message)
      })
      await once(server, "listening")
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("The server has no port")
      return { url: `http://127.0.0.1:${address.port}`, connections: () => connections, server }
    }),
    ({ server }) =>
      Effect.callback<void>((resume) => {
        for (const socket of server.clients) socket.terminate()
        server.close(() => resume(Effect.void))
      })
  )

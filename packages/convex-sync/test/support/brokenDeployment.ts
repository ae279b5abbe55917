/** Something that speaks the sync protocol's transport and none of its sense. */
import { once } from "node:events"
import { Effect } from "effect"
import { WebSocketServer } from "ws"

/** Sends `message` to whoever connects. Gives its URL, and how often somebody connected. */
export const brokenDeployment = (message: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = new WebSocketServer({ port: 0, host: "127.0.0.1" })
      let connections = 0
      server.on("connection", (socket) => {
        connections += 1
        socket.send(message)
      })
      await once(server, "listening")
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("It listens on no port")
      return { url: `http://127.0.0.1:${address.port}`, connections: () => connections, server }
    }),
    ({ server }) =>
      Effect.callback<void>((resume) => {
        for (const socket of server.clients) socket.terminate()
        server.close(() => resume(Effect.void))
      })
  )

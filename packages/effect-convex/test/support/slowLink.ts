/** A proxy with a limited upload rate. */
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { Effect } from "effect"

/** Writes per second. */
const ticks = 20

/** Reads no faster than it writes, so that unsent data waits in the sender. */
const carry = async (from: Socket, to: Socket, bytesPerSecond: number) => {
  const size = Math.ceil(bytesPerSecond / ticks)
  for await (const chunk of from) {
    const data: Buffer = chunk
    for (let at = 0; at < data.length; at += size) {
      to.write(data.subarray(at, at + size))
      await sleep(1000 / ticks)
    }
  }
}

/** Returns a URL of the deployment at `url` with a slow upload. Downloads have full speed. */
export const slowLink = (url: string, bytesPerSecond: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const sockets = new Set<Socket>()
      const server = createServer((near) => {
        const far = connect(Number(new URL(url).port), "127.0.0.1")
        const end = () => {
          near.destroy()
          far.destroy()
        }
        for (const socket of [near, far]) sockets.add(socket.on("error", end).on("close", end))
        far.pipe(near)
        carry(near, far, bytesPerSecond).catch(end)
      })
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("The server has no port")
      return { server, sockets, url: `http://127.0.0.1:${address.port}` }
    }),
    ({ server, sockets }) =>
      Effect.callback<void>((resume) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map((link) => link.url))

/** The addresses of a deployment: its own, and one for other machines. */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net"
import { createSecureContext, TLSSocket } from "node:tls"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import type { RemoteOptions } from "../../Options.ts"
import { messageOf } from "../values/errors.ts"

/** Returns the port. Fails with `PortInUse` or `InvalidOptions`. */
export const listen = (
  server: Server,
  { host, port }: { readonly host: string; readonly port: number }
): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(
        cause.code === "EADDRINUSE"
          ? new ConvexEmbeddedError(
              "PortInUse",
              `Port ${port} of ${host} is in use by another program. Choose another port, or 0 for any free one.`,
              { cause }
            )
          : new ConvexEmbeddedError("InvalidOptions", `Cannot listen on port ${port} of ${host}: ${cause.message}.`, {
              cause
            })
      )
    })
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port))
  })

const secureContext = ({ cert, key }: { readonly cert: string; readonly key: string }) => {
  try {
    return createSecureContext({ cert, key })
  } catch (cause) {
    const message = `The certificate and the key of the option remote.tls cannot be used together: ${messageOf(cause)}`
    throw new ConvexEmbeddedError("InvalidOptions", message, { cause })
  }
}

/**
 * Passes the sockets of another address to `accept`. With TLS these are accepted before the handshake, so that a connection
 * without one is subject to the same limits as any other. Fails as `listen`.
 */
export const listenForRemote = async (
  { host, port = 0, tls }: RemoteOptions,
  accept: (socket: Socket) => void
): Promise<{ readonly port: number; readonly stop: () => void }> => {
  const secured = tls === undefined ? null : secureContext(tls)
  const server = createServer({ noDelay: true }, (raw) => {
    if (secured === null) return accept(raw)
    const socket = new TLSSocket(raw, { ALPNProtocols: ["http/1.1"], isServer: true, secureContext: secured })
    raw.on("error", () => socket.destroy())
    accept(socket)
  })
  return { port: await listen(server, { host, port }), stop: () => void server.close() }
}

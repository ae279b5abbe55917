/** A relay between a client and an HTTP server that records requests. */
import { once } from "node:events"
import { createServer, request as send } from "node:http"
import { pipeline } from "node:stream/promises"

/** A relay to the server at `target`, on a free port. */
export const relayRequests = async (target: string) => {
  const seen: Array<string> = []
  const server = createServer((incoming, outgoing) => {
    const { headers, method, url = "/" } = incoming
    seen.push(`${method} ${new URL(url, target).pathname}`)
    const passedOn = send(new URL(url, target), { headers, method })
    passedOn.once("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      // The client needs the headers of an event stream before its first event.
      outgoing.flushHeaders()
      pipeline(answer, outgoing).catch(() => outgoing.destroy())
    })
    passedOn.once("error", () => outgoing.destroy())
    outgoing.once("close", () => passedOn.destroy())
    pipeline(incoming, passedOn).catch(() => outgoing.destroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The relay listens on no port")
  return {
    url: `http://127.0.0.1:${address.port}`,
    /** The number of requests that match, for example `GET /session/…`. */
    count: (pattern: RegExp) => seen.filter((each) => pattern.test(each)).length,
    [Symbol.dispose]: () => {
      server.close()
      server.closeAllConnections()
    }
  }
}

/** A server that receives notifications. */
import { once } from "node:events"
import { createServer, type IncomingHttpHeaders } from "node:http"

interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly bytes: Buffer
}

/** In place of a status: the request gets no answer. */
export const never = 0

export const newReceiver = async () => {
  const received: Array<Received> = []
  /** Answers of the next requests; 200 when there are no more. */
  const answers: Array<number> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const bytes = Buffer.concat(chunks)
      received.push({ path: request.url ?? "", headers: request.headers, body: bytes.toString(), bytes })
      const status = answers.shift() ?? 200
      if (status !== never) response.writeHead(status, { location: "/elsewhere" }).end("an answer")
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The receiver has no port")
  return {
    url: `http://127.0.0.1:${address.port}`,
    received,
    answers,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

/**
 * `fetch` over `node:http`. The global one makes web streams of all bodies, so that a request takes twice the processor time,
 * and an event that arrives alone half more.
 */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"

/** The name of the error of a request that took too long, as with `AbortSignal.timeout`. */
export const timeLimitError = "TimeoutError"

const streams = new WeakMap<Response, Readable>()

/** The body of a response. Null: it has none. Call it once. */
export const bodyOf = (response: Response): Readable | null =>
  streams.get(response) ?? (response.body === null ? null : Readable.fromWeb(response.body))

/**
 * `signal` ends the request. So does `millis`, the time limit until its body has arrived. The response to a successful request for an
 * event stream arrives before its body, which only `bodyOf` reads.
 */
export const nodeFetch =
  (signal: AbortSignal, millis?: number): typeof fetch =>
  async (input, init) => {
    const asked = input instanceof Request ? input : new Request(input, init)
    // Loaded at the first request: an import of this package does not need it.
    const { request } = asked.url.startsWith("https:") ? await import("node:https") : await import("node:http")
    const body = asked.body === null ? undefined : await asked.text()
    return new Promise<Response>((resolve, reject) => {
      // As the global `fetch` fails.
      const fail = (cause: Error) => reject(new TypeError("fetch failed", { cause }))
      const { method, url } = asked
      const sent = request(url, { headers: Object.fromEntries(asked.headers), method, signal }, (incoming) => {
        const { headers, statusCode } = incoming
        if (statusCode === 200 && headers["content-type"]?.startsWith("text/event-stream") === true) {
          const response = toResponse(incoming, null)
          streams.set(response, incoming)
          return resolve(response)
        }
        const chunks: Array<Buffer> = []
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
        incoming.once("end", () => {
          // A status that no `Response` can have, such as 999, would end the process here.
          try {
            resolve(toResponse(incoming, Buffer.concat(chunks).toString("utf8")))
          } catch (cause) {
            reject(new TypeError("fetch failed", { cause }))
          }
        })
        incoming.once("error", fail)
      })
      sent.on("error", fail)
      // Without a listener, Node.js would close the connection and report nothing.
      sent.once("upgrade", (_, socket) => {
        socket.destroy()
        fail(new Error("the server switched to another protocol"))
      })
      sent.end(body)
      if (millis === undefined) return
      const limit = setTimeout(() => {
        reject(new DOMException("The request took too long", timeLimitError))
        sent.destroy()
      }, millis)
      sent.once("close", () => clearTimeout(limit))
    })
  }

const toResponse = ({ headers, statusCode: status = 0 }: IncomingMessage, body: string | null) =>
  new Response(body === "" ? null : body, {
    status,
    headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
  })

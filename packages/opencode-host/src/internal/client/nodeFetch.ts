/**
 * `fetch` over `node:http`, for the SDK. A request takes half the processor time of one by the global `fetch`, which makes streams
 * of all bodies.
 */
import type { IncomingMessage } from "node:http"

/** As with the global `fetch`: a server may close a connection that was idle for longer. */
const idleMillis = 4_000

/** Loaded at the first request: an import of this package does not need it. */
const load = async () => {
  const { Agent, request } = await import("node:http")
  return { agent: new Agent({ keepAlive: true, timeout: idleMillis }), request }
}
let loading: ReturnType<typeof load> | undefined

/** The name of the error of a request that took too long, as with `AbortSignal.timeout`. */
export const timeLimitError = "TimeoutError"

/** `signal` ends the request. So does `millis`, the time limit until its body has arrived. */
export const nodeFetch =
  (signal: AbortSignal, millis: number): typeof fetch =>
  async (input, init) => {
    const asked = input instanceof Request ? input : new Request(input, init)
    if (!asked.url.startsWith("http:")) {
      return fetch(asked, { signal: AbortSignal.any([signal, AbortSignal.timeout(millis)]) })
    }
    const http = await (loading ??= load())
    return send(http, asked, asked.body === null ? undefined : await asked.text(), signal, millis)
  }

const send = (
  { agent, request }: Awaited<ReturnType<typeof load>>,
  { headers, method, url }: Request,
  body: string | undefined,
  signal: AbortSignal,
  millis: number
) =>
  new Promise<Response>((resolve, reject) => {
    // As the global `fetch` fails.
    const fail = (cause: Error) => reject(new TypeError("fetch failed", { cause }))
    const sent = request(url, { agent, headers: Object.fromEntries(headers), method, signal }, (incoming) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.once("end", () => resolve(toResponse(incoming, Buffer.concat(chunks))))
      incoming.once("error", fail)
    })
    const limit = setTimeout(() => {
      reject(new DOMException("The request took too long", timeLimitError))
      sent.destroy()
    }, millis)
    sent.once("close", () => clearTimeout(limit))
    sent.on("error", fail)
    sent.end(body)
  })

const toResponse = ({ headers, statusCode: status = 0 }: IncomingMessage, body: Buffer) =>
  new Response(body.length === 0 ? null : body.toString("utf8"), {
    status,
    headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
  })

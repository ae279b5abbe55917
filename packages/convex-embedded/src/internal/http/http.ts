/** Helpers of all routes for requests and responses of `node:http`. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { CHUNK_BYTES } from "../access/connections.ts"
import { limits } from "../values/limits.ts"

export const pathOf = (request: IncomingMessage): string => (request.url ?? "/").split("?")[0]!

/** All values of a header. `headersDistinct` parses all headers. `name` is in lower case. */
export const valuesOf = ({ rawHeaders }: IncomingMessage, name: string): ReadonlyArray<string> => {
  const values: Array<string> = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const header = rawHeaders[at]!
    if (header.length === name.length && header.toLowerCase() === name) values.push(rawHeaders[at + 1]!)
  }
  return values
}

/** For every response of the deployment itself: browsers must not sniff its type, cache it or show it in a frame. */
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff"
}

export const setDefaultHeaders = (response: ServerResponse): void => {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value)
}

export const respond = (response: ServerResponse, status: number, body: object): void =>
  sendJson(response, status, JSON.stringify(body))

export const sendJson = (response: ServerResponse, status: number, body: string): void =>
  void response
    .writeHead(status, { "content-length": Buffer.byteLength(body), "content-type": "application/json" })
    .end(body)

interface BodyOptions {
  readonly limit?: number
  /** Receives the number of buffered bytes when it changes. */
  readonly hold?: (bytes: number) => void
}

/** Returns `null` if the body is too large; the rest of it is discarded. */
export const readBody = (
  request: IncomingMessage,
  { hold = () => undefined, limit = limits.messageBytes }: BodyOptions = {}
): Promise<Buffer | null> =>
  new Promise((resolve, reject) => {
    let chunks: Array<Buffer> = []
    let size = 0
    const tooLarge = () => {
      chunks = []
      hold(0)
      resolve(null)
    }
    if (Number(request.headers["content-length"] ?? 0) > limit) tooLarge()
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) return tooLarge()
      chunks.push(chunk)
      // Many small chunks take more memory than their bytes.
      hold(size + chunks.length * CHUNK_BYTES)
    })
    request.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    request.on("error", reject)
    request.on("close", () => {
      // Every request closes, and an error records its stack.
      if (!request.readableEnded) reject(new Error("The request ended before its body."))
    })
  })

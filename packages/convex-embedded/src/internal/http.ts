/** Requests and responses of `node:http`, in the form that all routes use. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { limits } from "./limits.ts"

export const pathOf = (request: IncomingMessage): string => (request.url ?? "/").split("?")[0]!

/** For every response of the deployment itself: no browser takes it for something else, keeps it or shows it in a frame. */
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
  /** Receives how many bytes are held, whenever that changes. */
  readonly hold?: (bytes: number) => void
}

/** `null` when it is too large; what is left of it is then not kept. */
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
      // A chunk takes more than its bytes, which may be few.
      hold(size + chunks.length * CHUNK_BYTES)
    })
    request.on("end", () => resolve(Buffer.concat(chunks)))
    request.on("error", reject)
    request.on("close", () => reject(new Error("The request ended before its body.")))
  })

export const CHUNK_BYTES = 256

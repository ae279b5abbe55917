/** Conditional and partial responses (RFC 9110): `ETag`, `If-None-Match`, `Range` and `If-Range`, for files and assets. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"

/** The bytes `start` to `end`, exclusive. */
interface ByteRange {
  readonly start: number
  readonly end: number
}

export type ContentPlan =
  | { readonly status: 200 | 206; readonly range: ByteRange }
  | { readonly status: 304 | 416; readonly range: null }

interface Described {
  /** Strong, with its quotes. */
  readonly etag: string
  readonly size: number
}

/** Decides which part of the content is sent. Several ranges, and ranges of other units, are answered with the whole. */
export const planContent = (headers: IncomingHttpHeaders, { etag, size }: Described): ContentPlan => {
  const known = headers["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  if (known?.some((tag) => tag === etag || tag === "*") === true) return { range: null, status: 304 }
  const whole = { range: { end: size, start: 0 }, status: 200 } as const
  // A date in `If-Range` never matches: only entity tags are sent.
  if (headers["if-range"] !== undefined && headers["if-range"] !== etag) return whole
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(headers.range?.trim() ?? "") ?? []
  if (first === undefined || last === undefined || (first === "" && last === "")) return whole
  if (first !== "" && last !== "" && Number(last) < Number(first)) return whole
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1)
  return start < end ? { range: { end, start }, status: 206 } : { range: null, status: 416 }
}

/** Sends the planned part. `bytes`: those of the range; not needed for `HEAD` and without a range. */
export const sendContent = (
  request: IncomingMessage,
  response: ServerResponse,
  { etag, size }: Described,
  { range, status }: ContentPlan,
  { bytes, headers }: { readonly bytes: Uint8Array | null; readonly headers: Record<string, string> }
): void => {
  const common = { "accept-ranges": "bytes", etag }
  if (range === null) {
    const only = status === 416 ? { "content-length": "0", "content-range": `bytes */${size}` } : headers
    return void response.writeHead(status, { ...common, ...only }).end()
  }
  response.writeHead(status, {
    ...headers,
    ...common,
    "content-length": range.end - range.start,
    ...(status === 206 && { "content-range": `bytes ${range.start}-${range.end - 1}/${size}` })
  })
  response.end(request.method === "HEAD" || bytes === null ? undefined : bytes)
}

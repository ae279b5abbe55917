/** Uploads and downloads of stored files. The URL is the permission; it can only name stored files. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Connection, Connections } from "../access/connections.ts"
import { messageOf } from "../values/errors.ts"
import type { Executor } from "../threads/executor.ts"
import { FILES_PATH, type FileUrls, UPLOAD_PATH } from "../engine/file-urls.ts"
import type { FileInfo } from "../query/files.ts"
import { planContent, sendContent } from "./content.ts"
import { pathOf, readBody, respond } from "./http.ts"
import { limits } from "../values/limits.ts"

interface FileOptions {
  readonly executor: Executor
  readonly fileUrls: FileUrls
  readonly connections: Connections
}

/** A transfer without progress for this time is closed, to release its memory. */
const STALLED_MILLIS = 30_000

export const handleFile = async (
  options: FileOptions,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  request.setTimeout(STALLED_MILLIS, () => connection.destroy())
  const path = pathOf(request)
  if (path === UPLOAD_PATH) return upload(options, connection, request, response)
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respond(response, 405, { code: "MethodNotAllowed", message: "Use GET." })
  }
  const id = path.slice(FILES_PATH.length)
  const info = await options.executor.call("fileInfo", id)
  if (info === null) return notFound(response)
  const described = { etag: `"${info.sha256}"`, size: info.size }
  const plan = planContent(request.headers, described)
  const headers = headersOf(info)
  // Browsers may cache files, such as images in pages.
  response.removeHeader("cache-control")
  if (plan.range === null || request.method === "HEAD") {
    return sendContent(request, response, described, plan, { bytes: null, headers })
  }
  if (!reserve(options, connection, response, plan.range.end - plan.range.start)) return
  const file = await options.executor.call("readFile", id, plan.status === 206 ? plan.range : undefined)
  if (file === null) return notFound(response)
  sendContent(request, response, described, plan, { bytes: file.bytes, headers })
}

const notFound = (response: ServerResponse): void =>
  respond(response, 404, { code: "FileNotFound", message: "There is no such file." })

/** Sent as a download: a stored page must not run as a document, script or frame in the origin of the deployment. */
const headersOf = ({ contentType, sha256 }: FileInfo): Record<string, string> => ({
  "content-disposition": "attachment",
  "content-type": isHeader(contentType) ? contentType : "application/octet-stream",
  digest: `sha-256=${sha256}`
})

/** The content type is set by the uploader, so it is checked. */
const isHeader = (text: string | null): text is string => text !== null && /^[ -~]+$/.test(text)

const upload = async (
  options: FileOptions,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const token = new URL(request.url ?? "", "http://localhost").searchParams.get("token") ?? ""
  if (request.method !== "POST" || !options.fileUrls.isUpload(token)) {
    return respond(response, 403, {
      code: "InvalidUpload",
      message: "Use POST with a URL that is less than an hour old."
    })
  }
  const announced = Number(request.headers["content-length"] ?? limits.fileBytes)
  if (announced > limits.fileBytes) return tooLarge(response)
  if (!reserve(options, connection, response, announced)) return
  const bytes = await readBody(request, { limit: limits.fileBytes })
  if (bytes === null) return tooLarge(response)
  const contentType = request.headers["content-type"] ?? null
  const sha256 = /^sha-256=(.+)$/.exec(String(request.headers["digest"] ?? ""))?.[1]
  try {
    const storageId = await options.executor.call("storeFile", { bytes, contentType }, sha256)
    respond(response, 200, { storageId })
  } catch (cause) {
    respond(response, 400, { code: "UploadFailed", message: messageOf(cause) })
  }
}

const tooLarge = (response: ServerResponse): void =>
  respond(response, 413, { code: "PayloadTooLarge", message: `The file is larger than ${limits.fileBytes} bytes.` })

/** Counts a file until its request has ended. Returns false after rejecting the request if memory is short. */
const reserve = (
  { connections }: FileOptions,
  connection: Connection,
  response: ServerResponse,
  bytes: number
): boolean => {
  if (!connections.hasRoom("files", bytes)) {
    response.setHeader("retry-after", "10")
    const message = "Other files are on their way, and together they are too large. Try again in a few seconds."
    respond(response, 503, { code: "TooManyFiles", message })
    return false
  }
  const hold = connection.holder("files")
  hold(bytes)
  response.once("close", () => hold(0))
  return true
}

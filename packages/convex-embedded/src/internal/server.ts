/** The HTTP API and the door for sync connections. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { RoutableMethod } from "convex/server"
import type { JSONValue } from "convex/values"
import { WebSocketServer } from "ws"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import type { Identity, VerifyToken } from "./auth.ts"
import { errorPayload, messageOf, missingFunction } from "./errors.ts"
import type { Call, Executor } from "./executor.ts"
import { FILES_PATH, readFile, storeFile, UPLOAD_PATH } from "./files.ts"
import { canonicalPath, type FunctionKind, type Functions } from "./functions.ts"
import { limits } from "./limits.ts"
import { encodeTs, parseJson } from "./protocol.ts"
import { inFrame } from "./runtime.ts"
import { Session } from "./session.ts"
import type { Subscriptions } from "./subscriptions.ts"
import { actionFrame } from "./syscalls.ts"

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly executor: Executor
  readonly subscriptions: Subscriptions
  readonly functions: () => Functions
  readonly verifyToken: VerifyToken
}

export interface RunningServer {
  readonly url: string
  readonly close: () => Promise<void>
}

const SYNC_PATH = /^\/api\/[^/]+\/sync$/

/** Convex answers with this status when a function failed. */
const FUNCTION_FAILED = 560

/** Fails with `PortInUse` or `InvalidOptions`. */
export const serve = async (options: ServerOptions): Promise<RunningServer> => {
  const server = createServer((request, response) => {
    handle(options, request, response).catch((cause: unknown) => {
      if (response.headersSent) response.destroy()
      else respond(response, 500, { code: "InternalServerError", message: messageOf(cause) })
    })
  })
  const sockets = new WebSocketServer({ maxPayload: limits.messageBytes, noServer: true })
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy())
    if (SYNC_PATH.test(pathOf(request))) {
      sockets.handleUpgrade(request, socket, head, (accepted) => new Session({ ...options, socket: accepted }))
    } else {
      socket.end("HTTP/1.1 404 Not Found\r\n\r\n")
    }
  })
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  const host = options.host === "0.0.0.0" || options.host === "::" ? "127.0.0.1" : options.host
  return {
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`
  }
}

const listen = (server: Server, { host, port }: ServerOptions): Promise<void> =>
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
    server.listen(port, host, resolve)
  })

const handle = async (options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const path = pathOf(request)
  if (path === "/version") return void response.end("convex-embedded")
  if (!path.startsWith("/api/")) return handleHttpAction(options, request, response)
  response.setHeader("access-control-allow-origin", request.headers.origin ?? "*")
  response.setHeader("access-control-allow-headers", "authorization, content-type, convex-client, digest")
  response.setHeader("access-control-allow-methods", "GET, POST, OPTIONS")
  if (request.method === "OPTIONS") return void response.writeHead(204).end()
  if (path.startsWith(FILES_PATH)) return handleFile(options, request, response)
  if (request.method !== "POST") return respond(response, 405, { code: "MethodNotAllowed", message: "Use POST." })
  if (path === "/api/query_ts") return respond(response, 200, { ts: encodeTs(options.executor.ts) })
  const kind = KINDS[path]
  if (kind === undefined) return respond(response, 404, { code: "NotFound", message: `There is nothing at ${path}.` })

  const body = await readBody(request)
  if (body === null) {
    const message = `The request is larger than ${limits.messageBytes} bytes.`
    return respond(response, 413, { code: "PayloadTooLarge", message })
  }
  const called = decodeCall(body.toString("utf8"))
  if (called === null) {
    const message = 'The body must be JSON such as {"path": "messages:list", "args": {}}.'
    return respond(response, 400, { code: "BadJsonBody", message })
  }
  let identity: Identity | null
  try {
    identity = await identify(options, request)
  } catch (cause) {
    return respond(response, 401, { code: "InvalidAuthHeader", message: messageOf(cause) })
  }
  try {
    const value = await call(options.executor, kind, { ...called, caller: "client", identity })
    sendJson(response, 200, `{"status":"success","logLines":[],"value":${value}}`)
  } catch (cause) {
    respond(response, FUNCTION_FAILED, { status: "error", ...errorPayload(cause), logLines: [] })
  }
}

const KINDS: Record<string, FunctionKind | "any"> = {
  "/api/action": "action",
  "/api/function": "any",
  "/api/mutation": "mutation",
  "/api/query": "query",
  "/api/query_at_ts": "query"
}

const call = async (executor: Executor, kind: FunctionKind | "any", request: Call): Promise<string> => {
  if (kind === "any") {
    const found = executor.lookup(canonicalPath(request.path))
    if (found === undefined) throw missingFunction(request.path)
    return call(executor, found.kind, request)
  }
  if (kind === "mutation") return (await executor.mutation(request, null)).json
  return kind === "query" ? executor.query(request) : executor.action(request)
}

const decodeCall = (text: string): { readonly path: string; readonly args: JSONValue } | null => {
  try {
    const { args = {}, path } = parseJson(text) as { args?: JSONValue; path?: unknown }
    if (typeof path !== "string") return null
    return { args: Array.isArray(args) ? (args[0] ?? {}) : args, path }
  } catch {
    return null
  }
}

const identify = async ({ verifyToken }: ServerOptions, request: IncomingMessage): Promise<Identity | null> => {
  const header = request.headers.authorization
  if (header === undefined) return null
  const [scheme, token = ""] = header.split(" ")
  if (scheme !== "Bearer") throw new Error("The Authorization header must be Bearer and a token.")
  return (await verifyToken(token)).identity
}

/** Uploads, and files by their ID: whoever has the URL has the right. */
const handleFile = async (
  { executor }: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const path = pathOf(request)
  if (path !== UPLOAD_PATH) {
    const file = await executor.transact((transaction) => readFile(transaction, path.slice(FILES_PATH.length)))
    if (file === null) return respond(response, 404, { code: "FileNotFound", message: "There is no such file." })
    const headers = { "content-type": file.contentType ?? "application/octet-stream", digest: `sha-256=${file.sha256}` }
    return void response.writeHead(200, headers).end(file.bytes)
  }
  const token = new URL(request.url ?? "", executor.fileUrls.origin).searchParams.get("token") ?? ""
  if (request.method !== "POST" || !executor.fileUrls.isUpload(token)) {
    return respond(response, 403, {
      code: "InvalidUpload",
      message: "Use POST with a URL that is less than an hour old."
    })
  }
  const bytes = await readBody(request, limits.fileBytes)
  if (bytes === null) {
    const message = `The file is larger than ${limits.fileBytes} bytes.`
    return respond(response, 413, { code: "PayloadTooLarge", message })
  }
  const contentType = request.headers["content-type"] ?? null
  const sha256 = /^sha-256=(.+)$/.exec(String(request.headers["digest"] ?? ""))?.[1]
  try {
    const storageId = await executor.transact((transaction) => storeFile(transaction, { bytes, contentType }, sha256))
    respond(response, 200, { storageId })
  } catch (cause) {
    respond(response, 400, { code: "UploadFailed", message: messageOf(cause) })
  }
}

/** Routes of `http.ts` are served beside the API: everything outside of `/api/`. */
const handleHttpAction = async (
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const path = pathOf(request)
  const [action] = options.functions().http?.lookup(path, request.method as RoutableMethod) ?? []
  if (action === undefined) return void response.writeHead(404).end("No matching routes found")
  const body = await readBody(request)
  if (body === null) return void response.writeHead(413).end()
  const identity = await identify(options, request).catch(() => null)
  const headers = Object.entries(request.headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value])
  )
  const received = new Request(`http://${request.headers.host ?? "localhost"}${request.url}`, {
    headers,
    method: request.method ?? "GET",
    ...(body.length === 0 ? {} : { body: new Uint8Array(body) })
  })
  // The handler is made by the `convex` package, whose types hide how it is invoked.
  const { invokeHttpAction } = action as unknown as { invokeHttpAction: (request: Request) => Promise<Response> }
  const answer = await inFrame(actionFrame(options.executor, null, identity), () => invokeHttpAction(received))
  response.writeHead(answer.status, [...answer.headers].flat())
  if (answer.body !== null) for await (const chunk of answer.body) response.write(chunk)
  response.end()
}

const pathOf = (request: IncomingMessage): string => (request.url ?? "/").split("?")[0]!

/** `null` when it is too large. */
const readBody = async (request: IncomingMessage, limit: number = limits.messageBytes): Promise<Buffer | null> => {
  const chunks: Array<Buffer> = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const respond = (response: ServerResponse, status: number, body: object): void =>
  sendJson(response, status, JSON.stringify(body))

const sendJson = (response: ServerResponse, status: number, body: string): void =>
  void response.writeHead(status, { "content-type": "application/json" }).end(body)

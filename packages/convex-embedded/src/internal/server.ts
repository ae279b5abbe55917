/** The HTTP API and the door for sync connections. */
import { once } from "node:events"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { JSONValue } from "convex/values"
import { WebSocketServer } from "ws"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"
import type { Identity, VerifyToken } from "./auth.ts"
import type { Call, Run } from "./calls.ts"
import { errorPayload, failureOf, messageOf, missingFunction } from "./errors.ts"
import type { Executor } from "./executor.ts"
import { FILES_PATH, type FileUrls, UPLOAD_PATH } from "./files.ts"
import { canonicalPath, type FunctionKind } from "./functions.ts"
import { parseJson } from "./json.ts"
import { limits } from "./limits.ts"
import { encodeTs } from "./protocol.ts"
import { Session } from "./session.ts"
import { handleTransfer } from "./transfer-routes.ts"

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly executor: Executor
  readonly fileUrls: FileUrls
  readonly verifyToken: VerifyToken
  readonly adminKey: string | null
  /** Holds what is on its way in or out. */
  readonly cacheDir: string
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
  // WebSockets included: a connection remains one of this server when it is upgraded. What is more is closed at once.
  server.maxConnections = limits.connections
  const sockets = new WebSocketServer({ maxPayload: limits.messageBytes, noServer: true })
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy())
    if (SYNC_PATH.test(pathOf(request))) {
      sockets.handleUpgrade(
        request,
        socket,
        head,
        (accepted) => new Session({ ...options, socket: accepted, stream: socket })
      )
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
  if (request.method === "OPTIONS") return void response.writeHead(204, PREFLIGHT).end()
  if (path === "/api/export" || path === "/api/import") return handleTransfer(options, request, response)
  if (path.startsWith(FILES_PATH)) return handleFile(options, request, response)
  if (request.method !== "POST") return respond(response, 405, { code: "MethodNotAllowed", message: "Use POST." })
  if (path === "/api/query_ts") return respond(response, 200, { ts: encodeTs(options.executor.ts) })
  // `/api/run/folder/module/name` is `folder/module:name`.
  const named = path.startsWith(RUN_PATH) ? path.slice(RUN_PATH.length).replace(/\/([^/]*)$/, ":$1") : null
  const kind = named === null ? KINDS[path] : "any"
  if (kind === undefined) return respond(response, 404, { code: "NotFound", message: `There is nothing at ${path}.` })

  const body = await readBody(request)
  if (body === null) {
    const message = `The request is larger than ${limits.messageBytes} bytes.`
    return respond(response, 413, { code: "PayloadTooLarge", message })
  }
  const called = decodeCall(body.toString("utf8"), named)
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
  const { logLines, outcome } = await call(options.executor, kind, { ...called, caller: "client", identity })
  if ("json" in outcome) {
    return sendJson(
      response,
      200,
      `{"status":"success","logLines":${JSON.stringify(logLines)},"value":${outcome.json}}`
    )
  }
  respond(response, FUNCTION_FAILED, { status: "error", ...errorPayload(outcome.failure), logLines })
}

const PREFLIGHT = {
  "access-control-allow-headers": "authorization, content-type, convex-client, digest",
  "access-control-allow-methods": "GET, POST, OPTIONS"
}

const RUN_PATH = "/api/run/"

const KINDS: Record<string, FunctionKind | "any"> = {
  "/api/action": "action",
  "/api/function": "any",
  "/api/mutation": "mutation",
  "/api/query": "query",
  "/api/query_at_ts": "query"
}

const call = async (executor: Executor, kind: FunctionKind | "any", request: Call): Promise<Run> => {
  if (kind !== "any") return kind === "mutation" ? executor.mutation(request, null) : executor[kind](request)
  const found = await executor.perform("kindOf", canonicalPath(request.path))
  if (found !== null) return call(executor, found, request)
  return { logLines: [], outcome: { failure: failureOf(missingFunction(request.path)) } }
}

/** `named`: the function, where the body does not say it. */
const decodeCall = (text: string, named: string | null): { readonly path: string; readonly args: JSONValue } | null => {
  try {
    const { args = {}, path = named } = parseJson(text) as { args?: JSONValue; path?: unknown }
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
  { executor, fileUrls }: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const path = pathOf(request)
  if (path !== UPLOAD_PATH) {
    const file = await executor.perform("readFile", path.slice(FILES_PATH.length))
    if (file === null) return respond(response, 404, { code: "FileNotFound", message: "There is no such file." })
    const headers = { "content-type": file.contentType ?? "application/octet-stream", digest: `sha-256=${file.sha256}` }
    return void response.writeHead(200, headers).end(file.bytes)
  }
  const token = new URL(request.url ?? "", "http://localhost").searchParams.get("token") ?? ""
  if (request.method !== "POST" || !fileUrls.isUpload(token)) {
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
    const storageId = await executor.perform("storeFile", { bytes, contentType }, sha256)
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
  const body = await readBody(request)
  if (body === null) return void response.writeHead(413).end()
  const found = await options.executor.http(
    {
      body: new Uint8Array(body),
      headers: Object.entries(request.headersDistinct).flatMap(([name, values = []]) =>
        values.map((value): [string, string] => [name, value])
      ),
      identity: await identify(options, request).catch(() => null),
      method: request.method ?? "GET",
      url: `http://${request.headers.host ?? "localhost"}${request.url}`
    },
    {
      chunk: async (bytes) => {
        // Ends the action's stream, which may have no end of its own.
        if (response.closed) throw new Error("The client has closed its connection.")
        if (!response.write(bytes)) await Promise.race([once(response, "drain"), once(response, "close")])
      },
      head: (status, headers) => void response.writeHead(status, headers.flat())
    }
  )
  if (found) response.end()
  else response.writeHead(404).end("No matching routes found")
}

const pathOf = (request: IncomingMessage): string => (request.url ?? "/").split("?")[0]!

/** `null` when it is too large; what is left of it is then not kept. */
const readBody = (request: IncomingMessage, limit: number = limits.messageBytes): Promise<Buffer | null> =>
  new Promise((resolve, reject) => {
    const chunks: Array<Buffer> = []
    let size = 0
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) return void chunks.push(chunk)
      chunks.length = 0
      resolve(null)
    })
    request.on("end", () => resolve(Buffer.concat(chunks)))
    request.on("error", reject)
  })

const respond = (response: ServerResponse, status: number, body: object): void =>
  sendJson(response, status, JSON.stringify(body))

const sendJson = (response: ServerResponse, status: number, body: string): void =>
  void response
    .writeHead(status, { "content-length": Buffer.byteLength(body), "content-type": "application/json" })
    .end(body)

/** The HTTP server: accepts connections, rejects requests without access, and dispatches the others to their routes. */
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import type { RemoteOptions } from "../../Options.ts"
import { type AccessRefusal, accessRefusal, type AccessRules } from "../access/access.ts"
import { handleHttpAction } from "./action-routes.ts"
import { sendAsset } from "./asset.ts"
import type { Assets } from "./assets.ts"
import type { VerifyToken } from "../values/identity.ts"
import { handleCall, isCallPath } from "./call-routes.ts"
import { type Connection, Connections } from "../access/connections.ts"
import { messageOf } from "../values/errors.ts"
import type { Executor } from "../threads/executor.ts"
import { handleFile } from "./file-routes.ts"
import { FILES_PATH, type FileUrls } from "../engine/file-urls.ts"
import { pathOf, respond, setDefaultHeaders, valuesOf } from "./http.ts"
import { listen, listenForRemote } from "./listeners.ts"
import { limits } from "../values/limits.ts"
import { Session } from "../sync/session.ts"
import { handleTransfer } from "./transfer-routes.ts"

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly remote: RemoteOptions | null
  readonly allowedHosts: ReadonlyArray<string>
  readonly allowedOrigins: ReadonlyArray<string>
  /** Bytes that all connections together may use for messages and results. */
  readonly connectionMemory: number
  readonly executor: Executor
  /** Settles when the functions are loaded; requests wait until then. */
  readonly ready: Promise<void>
  readonly fileUrls: FileUrls
  readonly verifyToken: VerifyToken
  /** Changes with each reload. */
  readonly assets: () => Assets
  readonly adminKey: string | null
  /** For temporary files of exports and imports. */
  readonly cacheDir: string
}

export interface RunningServer {
  readonly url: string
  readonly remoteUrl: string | null
  readonly close: () => Promise<void>
}

/** The services of all routes. */
interface Door extends ServerOptions {
  readonly connections: Connections
  /** Depends on the address to which the socket was connected. */
  readonly rules: (socket: Socket) => AccessRules
}

/** The npm client adds its version; clients in other languages may not. */
const SYNC_PATH = /^\/api\/(?:([^/]+)\/)?sync$/

/** Fails with `PortInUse` or `InvalidOptions`. */
export const serve = async (options: ServerOptions): Promise<RunningServer> => {
  const connections = new Connections({
    bytes: { files: limits.fileBytes, messages: options.connectionMemory },
    places: limits.connections
  })
  // The ports are known once the server listens.
  let local: AccessRules = options
  let remote: AccessRules = options
  const remoteSockets = new WeakSet<Socket>()
  const rules = (socket: Socket) => (remoteSockets.has(socket) ? remote : local)
  const door: Door = { ...options, connections, rules }
  const server = createServer(
    { connectionsCheckingInterval: 5000, headersTimeout: limits.connectMillis },
    (request, response) => {
      const handled = options.ready.then(() => handle(door, request, response))
      handled.catch((cause: unknown) => {
        if (response.headersSent) response.destroy()
        else respond(response, 500, { code: "InternalServerError", message: messageOf(cause) })
      })
    }
  )
  server.on("connection", (socket) => {
    if (connections.admit(socket) === null)
      refuse(socket, 503, "TooManyConnections", "All places are taken. Try again.")
  })
  const sockets = new WebSocketServer({ maxPayload: limits.messageBytes, noServer: true })
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy())
    void options.ready.then(() => upgrade(door, sockets, request, socket, head))
  })
  const port = await listen(server, options)
  local = { ...options, port }
  const close = () =>
    new Promise<void>((resolve) => {
      for (const socket of sockets.clients) socket.terminate()
      server.close(() => resolve())
      server.closeAllConnections()
    })
  const url = urlOf("http", options.host, port)
  if (options.remote === null) return { close, remoteUrl: null, url }

  const { host, tls } = options.remote
  const accept = (socket: Socket) => {
    remoteSockets.add(socket)
    server.emit("connection", socket)
  }
  try {
    const listener = await listenForRemote(options.remote, accept)
    remote = { ...options, host, port: listener.port }
    return {
      close: async () => {
        listener.stop()
        await close()
      },
      remoteUrl: urlOf(tls === undefined ? "http" : "https", host, listener.port),
      url
    }
  } catch (cause) {
    await close()
    throw cause
  }
}

/** An address for programs of this machine. */
const urlOf = (protocol: "http" | "https", given: string, port: number): string => {
  const host = given === "0.0.0.0" || given === "::" ? "127.0.0.1" : given
  return `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`
}

const accessOf = ({ rules }: Door, request: IncomingMessage): AccessRefusal | null => {
  const { socket } = request
  const hosts = valuesOf(request, "host")
  const origins = valuesOf(request, "origin")
  return accessRefusal(rules(socket), {
    host: hosts.length > 1 ? undefined : hosts[0],
    localAddress: socket.localAddress,
    origin: origins.length === 0 ? undefined : origins.join(", ")
  })
}

/** Other paths below `/api/`, such as those of auth libraries, can be routes of HTTP actions. */
const isApiPath = (path: string): boolean =>
  path.startsWith(FILES_PATH) || path === "/api/export" || path === "/api/import" || isCallPath(path)

const handle = async (door: Door, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const connection = door.connections.of(request.socket)
  // The connection was dropped meanwhile.
  if (connection === undefined) return void response.destroy()
  attend(connection, response)
  const path = pathOf(request)
  const isApi = isApiPath(path)
  if (isApi || path === "/version") setDefaultHeaders(response)
  const refusal = accessOf(door, request)
  if (refusal !== null) {
    setDefaultHeaders(response)
    return respond(response, 403, refusal)
  }
  if (!path.startsWith("/")) {
    setDefaultHeaders(response)
    return respond(response, 400, {
      code: "BadRequest",
      message: "The target of a request is a path, such as /api/query."
    })
  }
  if (path === "/version") return void response.setHeader("content-type", "text/plain").end("convex-embedded")
  if (!isApi) return handlePage(door, connection, request, response)
  allowReading(request, response)
  if (request.method === "OPTIONS") return void response.writeHead(204, PREFLIGHT).end()
  if (path === "/api/export" || path === "/api/import") return handleTransfer(door, connection, request, response)
  if (path.startsWith(FILES_PATH)) return handleFile(door, connection, request, response)
  return handleCall(door, connection, request, response)
}

/**
 * Assets come before HTTP actions, and the fallback of the assets after them. Below `/http/` there are HTTP actions only,
 * whose routes do not have this prefix, as in a deployment of Convex without a second address for them.
 */
const handlePage = async (
  door: Door,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const path = pathOf(request)
  const isRead = (request.method === "GET" || request.method === "HEAD") && !/^\/(api|http)\//.test(path)
  if (path.startsWith("/http/")) request.url = request.url!.slice("/http".length)
  const asset = isRead ? door.assets().find(path) : null
  if (asset !== null) return sendAsset(request, response, asset)
  if (await handleHttpAction(door, connection, request, response)) return
  const fallback = isRead ? door.assets().fallbackFor(path, request.headers.accept) : null
  if (fallback !== null) return sendAsset(request, response, fallback)
  setDefaultHeaders(response)
  response.writeHead(404, { "content-type": "text/plain" }).end("No matching routes found")
}

/** Permits the page to read the response; its origin was checked. */
const allowReading = ({ headers: { origin } }: IncomingMessage, response: ServerResponse): void => {
  response.setHeader("vary", "Origin")
  if (origin === undefined) return
  response.setHeader("access-control-allow-origin", origin)
  response.setHeader("access-control-expose-headers", "accept-ranges, content-range, digest, etag")
}

const PREFLIGHT = {
  "access-control-allow-headers": "authorization, content-type, convex-client, digest, if-none-match, if-range, range",
  "access-control-allow-methods": "GET, POST, OPTIONS",
  "access-control-max-age": "600"
}

/** Marks the connection as busy during a request. If it is dropped before a response, it sends a 503. */
const attend = (connection: Connection, response: ServerResponse): void => {
  connection.standing = "anonymous"
  connection.onDrop = (reason) => {
    if (response.headersSent) return connection.destroy()
    setDefaultHeaders(response)
    response.setHeader("connection", "close").setHeader("retry-after", "3")
    respond(response, 503, { code: "Overloaded", message: `The request was dropped: ${reason}. Try again.` })
    destroySoon(connection)
  }
  response.once("close", () => (connection.standing = "idle"))
}

/** The time to send a last response. */
const GOODBYE_MILLIS = 1000

const destroySoon = (connection: Connection): void =>
  void setTimeout(() => connection.destroy(), GOODBYE_MILLIS).unref()

const upgrade = (
  door: Door,
  sockets: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer
): void => {
  const connection = door.connections.of(request.socket)
  if (connection === undefined) return void socket.destroy()
  const refusal = accessOf(door, request)
  if (refusal !== null) return refuse(socket, 403, refusal.code, refusal.message)
  const path = SYNC_PATH.exec(pathOf(request))
  if (path === null) return refuse(socket, 404, "NotFound", "Sync is at /api/<version>/sync.")
  sockets.handleUpgrade(
    request,
    socket,
    head,
    (accepted) =>
      new Session({ ...door, connection, isChunked: acceptsChunks(path[1]), socket: accepted, stream: request.socket })
  )
}

/** The npm client of version 1.28 or later understands a transition in parts. */
const acceptsChunks = (version = ""): boolean => {
  const [, major = 0, minor = 0] = /^(\d+)\.(\d+)\./.exec(version)?.map(Number) ?? []
  return major > 1 || (major === 1 && minor >= 28)
}

/** Responds on a socket that has no response object. */
const refuse = (socket: Duplex | Socket, status: number, code: string, message: string): void => {
  socket.on("error", () => socket.destroy())
  const body = JSON.stringify({ code, message })
  const headers = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "x-content-type-options: nosniff"
  ]
  socket.end(`${headers.join("\r\n")}\r\n\r\n${body}`)
  setTimeout(() => socket.destroy(), GOODBYE_MILLIS).unref()
}

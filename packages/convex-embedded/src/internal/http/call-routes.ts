/** The HTTP API for functions: `/api/query`, `/api/mutation`, `/api/action` and `/api/run/…`. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { JSONValue } from "convex/values"
import type { VerifyToken } from "../values/identity.ts"
import { adminOfHeader } from "../access/admin.ts"
import { ANONYMOUS, type Call, type Caller, type Run } from "../values/calls.ts"
import type { Connection } from "../access/connections.ts"
import { errorPayload, failureOf, messageOf, missingFunction } from "../values/errors.ts"
import type { Executor } from "../threads/executor.ts"
import type { FunctionKind } from "../functions/functions.ts"
import { canonicalPath } from "../values/function-path.ts"
import { pathOf, readBody, respond, sendJson } from "./http.ts"
import { parseJson } from "../values/json.ts"
import { limits } from "../values/limits.ts"
import { parsedBytes } from "../values/parsed-bytes.ts"
import { encodeTs } from "../sync/protocol.ts"

interface CallOptions {
  readonly adminKey: string | null
  readonly executor: Executor
  readonly verifyToken: VerifyToken
}

/** Convex's status for a failed function. */
const FUNCTION_FAILED = 560

export const handleCall = async (
  options: CallOptions,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const path = pathOf(request)
  const isRead = request.method === "GET" && path === "/api/query"
  if (request.method !== "POST" && !isRead) {
    return respond(response, 405, { code: "MethodNotAllowed", message: "Use POST." })
  }
  if (path === TS_PATH) return respond(response, 200, { ts: encodeTs(options.executor.ts) })
  // `/api/run/folder/module/name` is `folder/module:name`.
  const named = path.startsWith(RUN_PATH) ? path.slice(RUN_PATH.length).replace(/\/([^/]*)$/, ":$1") : null
  const kind = named === null ? KINDS[path]! : "any"

  // Before the body: authenticated connections are not dropped for memory.
  let caller = ANONYMOUS
  let refused: string | null = null
  try {
    caller = await identify(options, request)
  } catch (cause) {
    refused = messageOf(cause)
  }
  if (caller !== ANONYMOUS) connection.standing = "authenticated"
  const hold = connection.holder("messages")
  response.once("close", () => hold(0))
  const body = await readBody(request, { hold })
  const bytes = body === null ? Infinity : parsedBytes(body)
  if (body === null || bytes > limits.parsedBytes) {
    const most = body === null ? limits.messageBytes : limits.parsedBytes
    const message = `The request ${body === null ? "is" : "takes, when it is parsed,"} more than ${most} bytes.`
    return respond(response, 413, { code: "PayloadTooLarge", message })
  }
  hold(bytes)
  const called = decodeCall(isRead ? textOfUrl(request) : body.toString("utf8"), named)
  if (called === null) {
    const example = isRead ? "?path=messages:list&args={}" : '{"path": "messages:list", "args": {}}'
    const message = `The ${isRead ? "query string" : "body"} must have a path, and arguments as JSON: ${example}.`
    return respond(response, 400, { code: "BadJsonBody", message })
  }
  if (refused !== null) return respond(response, 401, { code: "InvalidAuthHeader", message: refused })
  const { logLines, outcome } = await call(options.executor, kind, { ...called, ...caller })
  if ("failure" in outcome) {
    return respond(response, FUNCTION_FAILED, { status: "error", ...errorPayload(outcome.failure), logLines })
  }
  hold(outcome.json.length)
  sendJson(response, 200, `{"status":"success","logLines":${JSON.stringify(logLines)},"value":${outcome.json}}`)
}

const RUN_PATH = "/api/run/"
const TS_PATH = "/api/query_ts"

/** Whether `handleCall` handles this path. */
export const isCallPath = (path: string): boolean =>
  path === TS_PATH || path.startsWith(RUN_PATH) || Object.hasOwn(KINDS, path)

const KINDS: Record<string, FunctionKind | "any"> = {
  "/api/action": "action",
  "/api/function": "any",
  "/api/mutation": "mutation",
  "/api/query": "query",
  "/api/query_at_ts": "query"
}

const call = async (executor: Executor, kind: FunctionKind | "any", request: Call): Promise<Run> => {
  if (kind !== "any") return kind === "mutation" ? executor.mutation(request, null) : executor[kind](request)
  const found = await executor.call("kindOf", canonicalPath(request.path))
  if (found !== null) return call(executor, found, request)
  return { logLines: [], outcome: { failure: failureOf(missingFunction(request.path)) } }
}

/** `named`: the function from the URL, if any. */
const decodeCall = (text: string, named: string | null): { readonly path: string; readonly args: JSONValue } | null => {
  try {
    const { args = {}, path = named } = parseJson(text) as { args?: JSONValue; path?: unknown }
    if (typeof path !== "string") return null
    return { args: Array.isArray(args) ? (args[0] ?? {}) : args, path }
  } catch {
    return null
  }
}

/** The same content in a query string, with the arguments as JSON. */
const textOfUrl = (request: IncomingMessage): string => {
  const { searchParams } = new URL(request.url ?? "", "http://localhost")
  const path = JSON.stringify(searchParams.get("path") ?? undefined)
  return `{"args":${searchParams.get("args") ?? "{}"},"path":${path}}`
}

export const identify = async (
  { adminKey, verifyToken }: Pick<CallOptions, "adminKey" | "verifyToken">,
  request: IncomingMessage
): Promise<Caller> => {
  const header = request.headers.authorization
  if (header === undefined) return ANONYMOUS
  const [, scheme, token = ""] = /^(\S*) ?(.*)$/.exec(header) ?? []
  if (scheme === "Convex") return adminOfHeader(token, adminKey)
  if (scheme !== "Bearer") throw new Error("The Authorization header must be Bearer and a token.")
  return { caller: "client", identity: (await verifyToken(token)).identity }
}

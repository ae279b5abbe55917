/** The HTTP API for functions: `/api/query`, `/api/mutation`, `/api/action` and `/api/run/…`. */
import type { IncomingMessage, ServerResponse } from "node:http"
import type { JSONValue } from "convex/values"
import type { Identity, VerifyToken } from "../values/identity.ts"
import type { Call, Run } from "../values/calls.ts"
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
  if (request.method !== "POST") return respond(response, 405, { code: "MethodNotAllowed", message: "Use POST." })
  if (path === "/api/query_ts") return respond(response, 200, { ts: encodeTs(options.executor.ts) })
  // `/api/run/folder/module/name` is `folder/module:name`.
  const named = path.startsWith(RUN_PATH) ? path.slice(RUN_PATH.length).replace(/\/([^/]*)$/, ":$1") : null
  const kind = named === null ? KINDS[path] : "any"
  if (kind === undefined) return respond(response, 404, { code: "NotFound", message: `There is nothing at ${path}.` })

  // Before the body: authenticated connections are not dropped for memory.
  let identity: Identity | null = null
  let refused: string | null = null
  try {
    identity = await identify(options, request)
  } catch (cause) {
    refused = messageOf(cause)
  }
  if (identity !== null) connection.standing = "authenticated"
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
  const called = decodeCall(body.toString("utf8"), named)
  if (called === null) {
    const message = 'The body must be JSON such as {"path": "messages:list", "args": {}}.'
    return respond(response, 400, { code: "BadJsonBody", message })
  }
  if (refused !== null) return respond(response, 401, { code: "InvalidAuthHeader", message: refused })
  const { logLines, outcome } = await call(options.executor, kind, { ...called, caller: "client", identity })
  if ("failure" in outcome) {
    return respond(response, FUNCTION_FAILED, { status: "error", ...errorPayload(outcome.failure), logLines })
  }
  hold(outcome.json.length)
  sendJson(response, 200, `{"status":"success","logLines":${JSON.stringify(logLines)},"value":${outcome.json}}`)
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

export const identify = async (
  { verifyToken }: Pick<CallOptions, "verifyToken">,
  request: IncomingMessage
): Promise<Identity | null> => {
  const header = request.headers.authorization
  if (header === undefined) return null
  const [scheme, token = ""] = header.split(" ")
  if (scheme !== "Bearer") throw new Error("The Authorization header must be Bearer and a token.")
  return (await verifyToken(token)).identity
}

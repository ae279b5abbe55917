/** Calls of single functions over HTTP, without a connection. */
import { type FunctionArgs, type FunctionReference, type FunctionReturnType, getFunctionName } from "convex/server"
import { ConvexError, convexToJson, jsonToConvex } from "convex/values"
import { ClientError, type ClientReason } from "./ClientError.ts"
import { reasonOf } from "./internal/reasonOf.ts"

/** The part of `fetch` that a call needs. */
export type HttpFetch = (
  url: string,
  init: { readonly method: "POST"; readonly headers: Readonly<Record<string, string>>; readonly body: string }
) => Promise<{ readonly status: number; readonly text: () => Promise<string> }>

export interface HttpOptions {
  /** `https://happy-otter-123.convex.cloud`, or the http(s) URL of a self-hosted or embedded deployment. */
  readonly url: string
  /** A JWT of the operator. Default: the call is anonymous. */
  readonly token?: string
  /** Default: the global `fetch`. */
  readonly fetch?: HttpFetch
}

/** The status of a function that threw. */
const functionFailed = 560

const field = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? Reflect.get(body, name) : undefined

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A response without a result of the function. */
const refusalOf = (status: number, body: unknown): ClientReason => {
  const given = field(body, "message")
  const message = typeof given === "string" ? given : `A response with status ${status}, not of a Convex deployment.`
  if (status === 401) return { _tag: "Rejected", code: "Unauthenticated", message, data: body }
  return status === 429 || status >= 500 ? { _tag: "Unreachable", message } : { _tag: "FunctionFailed", message }
}

/** What the function threw. */
const thrownBy = (body: unknown): ClientReason => {
  const message = String(field(body, "errorMessage"))
  const data = field(body, "errorData")
  if (data === undefined) return { _tag: "FunctionFailed", message }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON of the deployment
  const error = new ConvexError(jsonToConvex(data as never))
  error.message = message
  return reasonOf(error)
}

/**
 * Runs one function. Rejects with `ClientError`; after `Unreachable` the outcome is unknown.
 *
 * @example
 * const sessions = await httpCall("query", api.sessions.list, { paginationOpts }, { url, token })
 */
export const httpCall = async <F extends FunctionReference<"query" | "mutation" | "action">>(
  kind: F["_type"],
  reference: F,
  args: FunctionArgs<F>,
  { fetch: send = fetch, token, url }: HttpOptions
): Promise<FunctionReturnType<F>> => {
  const operation = getFunctionName(reference)
  const values = convexToJson(args)
  const body = JSON.stringify({ path: operation, format: "convex_encoded_json", args: [values] })
  const headers = {
    "content-type": "application/json",
    ...(token !== undefined && { authorization: `Bearer ${token}` })
  }
  const { status, text } = await (async () => {
    try {
      const response = await send(`${url.replace(/\/+$/, "")}/api/${kind}`, { method: "POST", headers, body })
      return { status: response.status, text: await response.text() }
    } catch (cause) {
      const message = `The deployment was not reachable: ${cause instanceof Error ? cause.message : String(cause)}`
      throw new ClientError(operation, { _tag: "Unreachable", message })
    }
  })()
  const result = parsed(text)
  if (status !== 200 && status !== functionFailed) throw new ClientError(operation, refusalOf(status, result))
  if (field(result, "status") !== "success") throw new ClientError(operation, thrownBy(result))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the deployment checks what a function returns
  return jsonToConvex(field(result, "value") as never)
}

/** HTTP actions: the routes of `http.ts` receive every request outside of `/api/`. */
import { once } from "node:events"
import type { IncomingMessage, ServerResponse } from "node:http"
import { ANONYMOUS } from "../values/calls.ts"
import type { VerifyToken } from "../values/identity.ts"
import { identify } from "./call-routes.ts"
import type { Connection } from "../access/connections.ts"
import type { Executor } from "../threads/executor.ts"
import { readBody, respond, setDefaultHeaders } from "./http.ts"
import { limits } from "../values/limits.ts"

interface ActionOptions {
  readonly adminKey: string | null
  readonly executor: Executor
  readonly verifyToken: VerifyToken
}

/** Returns false without a response if there is no route. All response headers, including CORS, are set by the action. */
export const handleHttpAction = async (
  options: ActionOptions,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse
): Promise<boolean> => {
  // The header may belong to the action.
  const caller = await identify(options, request).catch(() => ANONYMOUS)
  if (caller !== ANONYMOUS) connection.standing = "authenticated"
  const hold = connection.holder("messages")
  response.once("close", () => hold(0))
  const body = await readBody(request, { hold })
  if (body === null) {
    setDefaultHeaders(response)
    const message = `The request is larger than ${limits.messageBytes} bytes.`
    respond(response, 413, { code: "PayloadTooLarge", message })
    return true
  }
  const found = await options.executor.http(
    {
      body: new Uint8Array(body),
      headers: Object.entries(request.headersDistinct).flatMap(([name, values = []]) =>
        values.map((value): [string, string] => [name, value])
      ),
      identity: caller.identity,
      method: request.method ?? "GET",
      url: `http://${request.headers.host ?? "localhost"}${request.url}`
    },
    {
      chunk: async (bytes) => {
        // Ends the stream of the action, which may be endless.
        if (response.closed) throw new Error("The client has closed its connection.")
        if (!response.write(bytes)) await drained(response)
      },
      head: (status, headers) => void response.writeHead(status, headers.flat())
    }
  )
  if (found) response.end()
  return found
}

/** Waits until more can be written, or the client has left. */
const drained = async (response: ServerResponse): Promise<void> => {
  const over = new AbortController()
  const { signal } = over
  await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })])
  // A long response waits often: the other listener would stay until its end.
  over.abort()
}

/** Requests to a server, for which the SDK has no typed call or which must not wait for a running server. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { HostError } from "../../HostError.ts"
import { Protocol, Unavailable } from "../../HostErrorReason.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { nodeFetch } from "./nodeFetch.ts"

export type Access = Pick<OpenCodeServer, "url" | "username" | "password">

/** The value of the `authorization` header. */
export const authorization = ({ password, username }: Access): string =>
  `Basic ${Buffer.from(`${username}:${Redacted.value(password)}`).toString("base64")}`

interface HttpRequest {
  readonly operation: string
  readonly path: string
  /** The directory that the request is about. */
  readonly directory?: string
  readonly method?: "GET" | "POST"
}

/** Sends a request. A reference, so that a test can respond instead of a server. */
export const Fetch = Context.Reference<(url: URL, init: RequestInit) => Effect.Effect<Response, unknown>>(
  "@opencode-worker/opencode-host/Fetch",
  { defaultValue: () => (url, init) => Effect.tryPromise((signal) => nodeFetch(signal)(url, init)) }
)

/** Fails with `Unavailable` without a response. Any status is a response. */
export const send = (access: Access, { directory, method = "GET", operation, path }: HttpRequest) => {
  const url = new URL(path, access.url)
  if (directory !== undefined) url.searchParams.set("directory", directory)
  return Effect.flatMap(Fetch, (fetching) =>
    fetching(url, { method, headers: { authorization: authorization(access) } })
  ).pipe(
    Effect.mapError(
      () => new HostError({ reason: new Unavailable({ operation, detail: `no answer at ${access.url}` }) })
    )
  )
}

/** The body as JSON. */
export const json = (response: Response, operation: string): Effect.Effect<unknown, HostError> =>
  Effect.tryPromise({
    try: () => response.json(),
    catch: () => protocol(operation, response.status, "the body is not JSON")
  })

export const protocol = (operation: string, status: number, detail: string) =>
  new HostError({ reason: new Protocol({ operation, status, detail }) })

/** The JSON body of a successful response, if `is` accepts it. */
export const readAs = Effect.fnUntraced(function* <A>(
  access: Access,
  request: HttpRequest,
  is: (body: unknown) => body is A
): Effect.fn.Return<A, HostError> {
  const { operation } = request
  const response = yield* send(access, request)
  if (!response.ok) return yield* protocol(operation, response.status, "the request was refused")
  const body = yield* json(response, operation)
  return is(body) ? body : yield* protocol(operation, response.status, "the body has another form")
})

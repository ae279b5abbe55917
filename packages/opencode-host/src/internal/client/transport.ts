/** Calls the SDK of whatever server runs, and turns what goes wrong into typed errors. */
import { createOpencodeClient, type OpencodeClient } from "@opencode-ai/sdk/v2/client"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { HostError } from "../../HostError.ts"
import { type HostErrorReason, NotFound, Protocol, Timeout, Unauthorized, Unavailable } from "../../HostErrorReason.ts"
import { authorization } from "../server/http.ts"
import type { Instance } from "../server/instance.ts"
import { nodeFetch, timeLimitError } from "../server/nodeFetch.ts"
import { withoutQuotes } from "../redact.ts"
import type { ProviderMetadata } from "../server/providerMetadata.ts"
import type { Supervisor } from "../server/supervisor.ts"

/** A result of the SDK; `response` is absent when the server was not reached. */
interface Answer<A> {
  readonly data?: A | undefined
  readonly error?: unknown
  readonly response?: Response | undefined
}

/** The slowest known request (5,000 sessions while the server loads) takes seconds. */
const limitMillis = 30_000

export interface Transport {
  /** `millis`: the time limit. */
  readonly ask: <A>(
    operation: string,
    run: (sdk: OpencodeClient, options: { readonly fetch: typeof fetch }) => Promise<Answer<A>>,
    millis?: number
  ) => Effect.Effect<{ readonly data: A; readonly response: Response }, HostError>
  /** `ask` without the response. */
  readonly call: <A>(
    operation: string,
    run: (sdk: OpencodeClient, options: { readonly fetch: typeof fetch }) => Promise<Answer<A>>,
    millis?: number
  ) => Effect.Effect<A, HostError>
  readonly providerMetadata: Effect.Effect<ProviderMetadata, HostError>
}

export const makeTransport = (use: Supervisor["use"]): Transport => {
  const sdks = new WeakMap<Instance, OpencodeClient>()
  const sdkOf = (instance: Instance) => {
    const known = sdks.get(instance)
    if (known !== undefined) return known
    const sdk = createOpencodeClient({
      baseUrl: instance.server.url,
      headers: { authorization: authorization(instance.server) }
    })
    sdks.set(instance, sdk)
    return sdk
  }

  const ask: Transport["ask"] = (operation, run, millis = limitMillis) =>
    use((instance) =>
      Effect.tryPromise({
        try: (signal) => run(sdkOf(instance), { fetch: nodeFetch(signal, millis) }),
        catch: (cause) => new HostError({ reason: reasonOf(operation, cause, undefined, instance, millis) })
      }).pipe(
        Effect.flatMap(({ data, error, response }) =>
          response?.ok === true && data !== undefined
            ? Effect.succeed({ data, response })
            : Effect.fail(new HostError({ reason: reasonOf(operation, error, response, instance, millis) }))
        )
      )
    ).pipe(Effect.withSpan(`OpenCodeClient.${operation}`))

  return {
    ask,
    call: (operation, run, millis) => Effect.map(ask(operation, run, millis), ({ data }) => data),
    providerMetadata: use(({ providerMetadata }) => providerMetadata)
  }
}

const reasonOf = (
  operation: string,
  error: unknown,
  response: Response | undefined,
  { server: { url, username } }: Instance,
  millis: number
): HostErrorReason => {
  const detail = describe(error)
  // The SDK turns an HTML answer into an error without a response; only a connection that was refused, or cut in the
  // body of the answer, is a TypeError.
  if (response === undefined) {
    if (Predicate.hasProperty(error, "name") && error.name === timeLimitError) return new Timeout({ operation, millis })
    return error instanceof TypeError
      ? new Unavailable({ operation, detail: describe(error.cause ?? error) })
      : new Protocol({ operation, detail })
  }
  if (response.status === 401) return new Unauthorized({ operation, url, username })
  if (response.status === 404) return new NotFound({ operation, detail })
  return new Protocol({ operation, status: response.status, detail })
}

/** OpenCode's errors are `{name, data: {message, path}}`. */
const describe = (error: unknown): string => {
  const data = Predicate.hasProperty(error, "data") ? error.data : undefined
  const text = messageOf(data) ?? messageOf(error) ?? (typeof error === "string" ? error : JSON.stringify(error))
  const said = withoutQuotes(text ?? "nothing")
    .trim()
    .slice(0, maxDetail)
  const path = Predicate.hasProperty(data, "path") && Predicate.isString(data.path) ? `${data.path}: ` : ""
  return said === "{}" || said === "" ? "no details" : `${path}${said}`
}

const messageOf = (from: unknown): string | undefined =>
  Predicate.hasProperty(from, "message") && from.message !== "" ? String(from.message) : undefined

/** Characters: a sentence, not a page. */
const maxDetail = 500

/** One living server, ours or attached to, as the rest of the package sees it. */
import { Effect, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import { HostError, Protocol, Unauthorized, Unavailable, UnsupportedVersion } from "../HostError.ts"
import type { OpenCodeServer } from "../OpenCodeServer.ts"

export interface Instance {
  readonly server: OpenCodeServer
  /** Completes, with a sentence, when the process has ended, or when a server that was attached to is given up. */
  readonly exited: Effect.Effect<string>
  /** Called when the server may have started a process. */
  readonly notice: Effect.Effect<void>
  /** Ends the process by force; a server that was attached to is only given up. */
  readonly kill: Effect.Effect<void>
}

/** OpenCode's user name for HTTP Basic auth, unless `OPENCODE_SERVER_USERNAME` names another one. */
export const defaultUsername = "opencode"

export type Access = Pick<OpenCodeServer, "url" | "username" | "password">

/** The value of the `authorization` header. */
export const authorization = ({ password, username }: Access): string =>
  `Basic ${Buffer.from(`${username}:${Redacted.value(password)}`).toString("base64")}`

export const get = (access: Access, path: string) =>
  HttpClientRequest.get(new URL(path, access.url)).pipe(HttpClientRequest.basicAuth(access.username, access.password))

const supportedVersions = "1.18.x"
const isSupported = (version: string, allowUntested: boolean) =>
  allowUntested ? version.startsWith("1.") : version.startsWith("1.18.")

const Health = Schema.Struct({ healthy: Schema.Literal(true), version: Schema.String })
/** At `/api/health`. */
const Health2 = Schema.Struct({ healthy: Schema.Literal(true), version: Schema.optionalKey(Schema.String) })

/**
 * The version of a healthy server. Only the JSON counts: unknown paths, and so servers that are not OpenCode, may answer
 * 200 with a page. OpenCode 2.x is refused by name, also where it has only the health route of its own API.
 */
export const health = Effect.fnUntraced(function* (access: Access, allowUntestedVersion: boolean) {
  const operation = "health"
  const request = (path: string) =>
    HttpClient.execute(get(access, path)).pipe(
      Effect.mapError(
        () => new HostError({ reason: new Unavailable({ operation, detail: `no answer at ${access.url}` }) })
      )
    )
  const response = yield* request("/global/health")
  if (response.status === 401) {
    const { url, username } = access
    return yield* new HostError({ reason: new Unauthorized({ operation, url, username }) })
  }
  const other = Effect.gen(function* () {
    const { version = "2.x" } = yield* Effect.flatMap(
      request("/api/health"),
      HttpClientResponse.schemaBodyJson(Health2)
    )
    return { version }
  })
  const { version } = yield* HttpClientResponse.schemaBodyJson(Health)(response).pipe(
    Effect.catch(() => other),
    Effect.mapError(
      () =>
        new HostError({
          reason: new Protocol({
            operation,
            status: response.status,
            detail: `${access.url} is not an OpenCode server`
          })
        })
    )
  )
  if (!isSupported(version, allowUntestedVersion)) {
    return yield* new HostError({ reason: new UnsupportedVersion({ version, supported: supportedVersions }) })
  }
  return version
})

const Sessions = Schema.Record(Schema.String, Schema.Unknown)

/** Whether any session of the directory runs a turn, whichever client started it. */
export const hasBusySession = Effect.fnUntraced(function* (access: Access, directory: string) {
  const status = get(access, "/session/status").pipe(HttpClientRequest.setUrlParam("directory", directory))
  const response = yield* HttpClient.execute(status)
  return Object.keys(yield* HttpClientResponse.schemaBodyJson(Sessions)(response)).length > 0
})

/** One living server, ours or attached to, as the rest of the package sees it. */
import { Effect, type Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "effect/http"
import type { Engine } from "../Capabilities.ts"
import { HostError, Protocol, Unauthorized, Unavailable, UnsupportedVersion } from "../HostError.ts"
import type { OpenCodeServer } from "../OpenCodeServer.ts"

export interface Instance {
  readonly server: OpenCodeServer
  /** Completes, with a sentence, when the process has ended, or when a server that was attached to is given up. */
  readonly exited: Effect.Effect<string>
  /** Ends the process by force; a server that was attached to is only given up. */
  readonly kill: Effect.Effect<void>
}

/** OpenCode's fixed user name for HTTP Basic auth. */
export const user = "opencode"

/** OpenCode 1.x works with its classic engine by itself, and 2.x has the next one only. */
export const engineOf = (version: string): Engine => (version.startsWith("1.") ? "classic" : "next")

export type Access = { readonly url: string; readonly password: Redacted.Redacted }

export const get = (access: Access, path: string) =>
  HttpClientRequest.get(new URL(path, access.url)).pipe(HttpClientRequest.basicAuth(user, access.password))

const supportedVersions = "1.18.x"
const isSupported = (version: string) => version.startsWith("1.18.")

const Health = Schema.Struct({ healthy: Schema.Literal(true), version: Schema.String })

/**
 * The version of a healthy server. Only the JSON counts: unknown paths, and so servers that are no OpenCode, may answer
 * 200 with a page.
 */
export const health = Effect.fnUntraced(function* (access: Access, allowUntestedVersion: boolean) {
  const operation = "health"
  const response = yield* HttpClient.execute(get(access, "/global/health")).pipe(
    Effect.mapError(
      () => new HostError({ reason: new Unavailable({ operation, detail: `no answer at ${access.url}` }) })
    )
  )
  if (response.status === 401) return yield* new HostError({ reason: new Unauthorized({ operation }) })
  const { version } = yield* HttpClientResponse.schemaBodyJson(Health)(response).pipe(
    Effect.mapError(
      () =>
        new HostError({
          reason: new Protocol({ operation, status: response.status, detail: `${access.url} is no OpenCode server` })
        })
    )
  )
  if (!allowUntestedVersion && !isSupported(version)) {
    return yield* new HostError({ reason: new UnsupportedVersion({ version, supported: supportedVersions }) })
  }
  return version
})

const Sessions = Schema.Record(Schema.String, Schema.Unknown)
const Active = Schema.Struct({ data: Sessions })

/** What the next engine runs, in all directories, by session. */
export const activeSessions = (access: Access) =>
  HttpClient.execute(get(access, "/api/session/active")).pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Active)),
    Effect.map(({ data }) => data)
  )

/** Whether any session runs something, in either engine, whoever asked for it. */
export const hasBusySession = Effect.fnUntraced(function* ({ engine, ...access }: OpenCodeServer, directory: string) {
  if (Object.keys(yield* activeSessions(access)).length > 0) return true
  if (engine === "next") return false
  const classic = get(access, "/session/status").pipe(HttpClientRequest.setUrlParam("directory", directory))
  const response = yield* HttpClient.execute(classic)
  return Object.keys(yield* HttpClientResponse.schemaBodyJson(Sessions)(response)).length > 0
})

/** One living server, ours or attached to, as the rest of the package sees it. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { HostError } from "../../HostError.ts"
import { Unauthorized, UnsupportedVersion } from "../../HostErrorReason.ts"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { missingFeatures } from "./features.ts"
import { type Access, json, protocol, readAs, send } from "./http.ts"

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

/** Earlier releases of 1.18 interrupt steering prompts (until 1.18.14) and lose turns that compact (1.18.15). */
const oldestTested = 20
const testedVersions = `1.18.${oldestTested} or a later 1.18`
const isTested = (version: string) => {
  const [, patch] = /^1\.18\.(\d+)$/.exec(version) ?? []
  return patch !== undefined && Number(patch) >= oldestTested
}

const operation = "health"

/** The body of a health route. That of OpenCode 2.x may have no version. */
const healthyVersion = (body: unknown): string | undefined => {
  if (!Predicate.hasProperty(body, "healthy") || body.healthy !== true) return undefined
  return Predicate.hasProperty(body, "version") && Predicate.isString(body.version) ? body.version : ""
}

/**
 * The version of a healthy server. Only the JSON counts: unknown paths, and so servers that are not OpenCode, may answer
 * 200 with a page. OpenCode 2.x is refused by name, also where it has only the health route of its own API. Other versions than
 * the tested ones must have all operations that are needed, unless `allowUntestedVersion` is set.
 */
export const health = Effect.fnUntraced(function* (access: Access, allowUntestedVersion: boolean) {
  const response = yield* send(access, { operation, path: "/global/health" })
  if (response.status === 401) {
    const { url, username } = access
    return yield* new HostError({ reason: new Unauthorized({ operation, url, username }) })
  }
  const versionAt = (found: Response) =>
    Effect.orElseSucceed(Effect.map(json(found, operation), healthyVersion), () => undefined)
  let version = yield* versionAt(response)
  if (version === undefined || version === "") {
    const found = yield* send(access, { operation, path: "/api/health" }).pipe(
      Effect.flatMap(versionAt),
      Effect.orElseSucceed(() => undefined)
    )
    version = found === "" ? "2.x" : found
  }
  if (version === undefined) {
    return yield* protocol(operation, response.status, `${access.url} is not an OpenCode server`)
  }
  if (isTested(version)) return version
  const isOne = version.startsWith("1.")
  if (isOne && allowUntestedVersion) return version
  const missing = isOne ? yield* missingFeatures(access) : []
  if (!isOne || missing.length > 0) {
    return yield* new HostError({ reason: new UnsupportedVersion({ version, supported: testedVersions, missing }) })
  }
  yield* Effect.logWarning(
    `OpenCode ${version} is not one of the tested versions, ${testedVersions}. It has all operations that are needed.`
  )
  return version
})

const isRecord = (body: unknown): body is Record<string, unknown> => Predicate.isObject(body)

/** Whether any session of the directory runs a turn, whichever client started it. */
export const hasBusySession = (access: Access, directory: string) =>
  Effect.map(
    readAs(access, { operation: "sessions.status", path: "/session/status", directory }, isRecord),
    (sessions) => Object.keys(sessions).length > 0
  )

/** The login provider of a deployment: that of the flags, or the one that the deployment names in its `/config.json`. */
import { Effect, Option, Schema } from "effect"
import { configError, temporaryError, usageError } from "../../AppError.ts"
import { isLocal } from "../../commands/shared/url.ts"
import { refusedProxy } from "../../proxy.ts"

/** An OpenID Connect provider that the deployment's `auth.config.ts` names. */
export interface LoginProvider {
  readonly issuer: URL
  /** A public client of it, which the deployment knows as the `applicationID`. */
  readonly clientId: string
  /** Scopes, separated by spaces. */
  readonly scope: string
}

export interface ProviderOptions {
  readonly issuer: Option.Option<string>
  readonly clientId: Option.Option<string>
  readonly scope: Option.Option<string>
}

const patience = 20_000

/** The part of the web console's configuration that this command reads. */
const Configuration = Schema.fromJsonString(
  Schema.Struct({
    login: Schema.Struct({
      issuer: Schema.NonEmptyString,
      clientId: Schema.NonEmptyString,
      scope: Schema.optionalKey(Schema.NonEmptyString)
    })
  })
)

/** Whether requests to it are encrypted, or stay on this machine. */
export const isSafe = (address: string): boolean =>
  isLocal(address) || (URL.canParse(address) && new URL(address).protocol === "https:")

const issuerOf = Effect.fnUntraced(function* (given: string) {
  const issuer = URL.canParse(given) ? new URL(given) : undefined
  if (issuer === undefined || !isSafe(given)) {
    return yield* configError("The issuer of a login provider is an https address, as https://login.example.com.")
  }
  if (issuer.username !== "" || issuer.password !== "" || issuer.search !== "" || issuer.hash !== "") {
    return yield* configError("The issuer of a login provider has no user name, password, query or fragment.")
  }
  const refused = isLocal(given) ? undefined : refusedProxy(issuer.href, process.env)
  if (refused !== undefined) return yield* configError(refused)
  return issuer
})

/** The text of `/config.json`, or an empty text if the deployment has none. */
const configurationText = (url: string) =>
  Effect.tryPromise({
    try: async () => {
      const response = await fetch(`${url}/config.json`, { redirect: "error", signal: AbortSignal.timeout(patience) })
      return response.ok ? await response.text() : ""
    },
    catch: () => temporaryError(`${url} does not respond: check the address and the network, and try again.`)
  })

const named = Effect.fnUntraced(function* (url: string) {
  const found = Schema.decodeUnknownOption(Configuration)(yield* configurationText(url))
  if (Option.isSome(found)) return found.value.login
  return yield* usageError(
    "The deployment names no login provider: give a code of opencode-worker devices add, --issuer with --client-id, or --token-command."
  )
})

/** Without `--issuer`, the deployment is asked; `--client-id` and `--scope` then replace its values. */
export const loginProvider = Effect.fnUntraced(function* (url: string, given: ProviderOptions) {
  const clientId = Option.getOrElse(given.clientId, () => "")
  if (Option.isSome(given.issuer)) {
    if (clientId === "") {
      return yield* usageError("--issuer needs --client-id: the applicationID of this provider in auth.config.ts.")
    }
    const scope = Option.getOrElse(given.scope, () => "openid")
    return { issuer: yield* issuerOf(given.issuer.value), clientId, scope }
  }
  const own = yield* named(url)
  return {
    issuer: yield* issuerOf(own.issuer),
    clientId: clientId === "" ? own.clientId : clientId,
    scope: Option.getOrElse(given.scope, () => own.scope ?? "openid")
  }
})

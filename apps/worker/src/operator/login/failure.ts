/**
 * Failures of a login provider for the user: one sentence with an exit code. The bodies of responses, which may contain tokens,
 * are left out.
 */
import { ResponseBodyError, WWWAuthenticateChallengeError } from "oauth4webapi"
import { type AppError, configError, notAuthorised, temporaryError } from "../../AppError.ts"
import type { LoginProvider } from "./provider.ts"

export const expired = temporaryError(
  "The code has expired before the login was completed: run opencode-worker login again."
)

/** The response that the library refused, if it was one. */
const statusOf = (error: Error): number => (error.cause instanceof Response ? error.cause.status : 0)

/** No response, or one of a proxy or a provider that is overloaded. Errors of the library have a code. */
export const isUnreachable = (error: unknown): boolean => {
  if (error instanceof ResponseBodyError) return error.status === 429 || error.status >= 500
  if (error instanceof DOMException) return true
  if (!(error instanceof Error)) return false
  return (error instanceof TypeError && !("code" in error)) || statusOf(error) === 429 || statusOf(error) >= 500
}

const refusedClient = ({ clientId, issuer }: LoginProvider, why: string) =>
  configError(
    `${issuer.href} refuses the client ${clientId} (${why}): it must be a public client with the device authorization grant.`
  )

/** Error codes of RFC 6749, 5.2, and of RFC 8628, 3.5. */
const refusal = (provider: LoginProvider, error: ResponseBodyError): AppError => {
  const issuer = provider.issuer.href
  const details = error.error_description === undefined ? "" : `: ${error.error_description.slice(0, 300)}`
  const why = `${error.error}${details}`
  switch (error.error) {
    case "access_denied":
      return notAuthorised(`The login was refused at ${issuer}.`)
    case "expired_token":
      return expired
    case "invalid_client":
    case "invalid_request":
    case "unauthorized_client":
    case "unsupported_grant_type":
      return refusedClient(provider, why)
    case "invalid_scope":
      return configError(
        `${issuer} refuses the scope "${provider.scope}" (${why}): change --scope, or allow it for the client ${provider.clientId} at the provider.`
      )
    default:
      return notAuthorised(`${issuer} refused the login (${why}).`)
  }
}

/** `invalid`: the error for a response that the library refuses, with the reason. */
export const failureAt = (
  provider: LoginProvider,
  error: unknown,
  invalid = (why: string) => notAuthorised(`The response of ${provider.issuer.href} is not valid: ${why}.`)
): AppError => {
  if (isUnreachable(error)) {
    return temporaryError(`${provider.issuer.href} does not respond: check the address and the network, and try again.`)
  }
  if (error instanceof ResponseBodyError) return refusal(provider, error)
  if (error instanceof WWWAuthenticateChallengeError) return refusedClient(provider, `status ${error.status}`)
  return invalid(error instanceof Error ? error.message : String(error))
}

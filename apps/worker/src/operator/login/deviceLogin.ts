/**
 * Signs in at a login provider on another device: OpenID Connect with the device authorization grant (RFC 8628).
 *
 * ```
 *   begin ─▶ a code and an address, which a person opens ─▶ idToken: polls ─▶ an ID token, in memory
 * ```
 *
 * Invariants
 * - No token is stored or printed: this machine becomes a device of the identity (`signIn.ts`), and the token is forgotten.
 * - Only requests to this machine are sent without encryption.
 * - The command loads this module, and `oauth4webapi`, for such a login only.
 */
import { Effect } from "effect"
import {
  allowInsecureRequests,
  type AuthorizationServer,
  type DeviceAuthorizationResponse,
  deviceAuthorizationRequest,
  deviceCodeGrantRequest,
  discoveryRequest,
  None,
  processDeviceAuthorizationResponse,
  processDeviceCodeResponse,
  processDiscoveryResponse,
  ResponseBodyError,
  validateApplicationLevelSignature
} from "oauth4webapi"
import { type AppError, configError, notAuthorised } from "../../AppError.ts"
import { isLocal } from "../../commands/shared/url.ts"
import { expired, failureAt, isUnreachable } from "./failure.ts"
import { poll, type Polled } from "./poll.ts"
import { isSafe, type LoginProvider } from "./provider.ts"

/** Limit of each request, in milliseconds. */
const patience = 20_000

/** A login that waits for a person. */
export interface Begun {
  readonly provider: LoginProvider
  readonly server: AuthorizationServer
  readonly device: DeviceAuthorizationResponse
  /** The address that a person opens. */
  readonly address: string
  /** The same address with the code in it, if the provider has one. */
  readonly completeAddress: string | undefined
}

const optionsFor = ({ issuer }: LoginProvider, signal: AbortSignal) => ({
  [allowInsecureRequests]: isLocal(issuer.href),
  signal: AbortSignal.any([signal, AbortSignal.timeout(patience)])
})
type RequestOptions = ReturnType<typeof optionsFor>

const request = <A>(
  provider: LoginProvider,
  send: (options: RequestOptions) => Promise<A>,
  invalid?: (why: string) => AppError
) =>
  Effect.tryPromise({
    try: (signal) => send(optionsFor(provider, signal)),
    catch: (error) => failureAt(provider, error, invalid)
  })

const unencrypted = ({ issuer }: LoginProvider, name: string) =>
  configError(`${issuer.href} names a ${name} that is not an https address: its configuration is wrong.`)

const discover = Effect.fnUntraced(function* (provider: LoginProvider) {
  const server = yield* request(
    provider,
    async (options) => processDiscoveryResponse(provider.issuer, await discoveryRequest(provider.issuer, options)),
    (why) => configError(`${provider.issuer.href} is not the issuer of an OpenID Connect provider: ${why}.`)
  )
  if (server.device_authorization_endpoint === undefined) {
    return yield* configError(
      `${provider.issuer.href} has no device authorization endpoint: use a code of opencode-worker devices add, or --token-command.`
    )
  }
  for (const name of ["device_authorization_endpoint", "token_endpoint", "jwks_uri"] as const) {
    if (!isSafe(server[name] ?? "")) return yield* unencrypted(provider, name)
  }
  return server
})

/** Asks the provider for a code. */
export const begin = Effect.fnUntraced(function* (provider: LoginProvider) {
  const server = yield* discover(provider)
  const client = { client_id: provider.clientId }
  const device = yield* request(provider, async (options) => {
    const parameters = { scope: provider.scope }
    const response = await deviceAuthorizationRequest(server, client, None(), parameters, options)
    return processDeviceAuthorizationResponse(server, client, response)
  })
  const complete = device.verification_uri_complete
  if (!isSafe(device.verification_uri) || (complete !== undefined && !isSafe(complete))) {
    return yield* unencrypted(provider, "verification_uri")
  }
  return {
    provider,
    server,
    device,
    address: new URL(device.verification_uri).href,
    completeAddress: complete === undefined ? undefined : new URL(complete).href
  }
})

/** A response with tokens, whose ID token has the right issuer, audience and times. Its signature is not checked yet. */
interface Issued {
  readonly response: Response
  readonly token: string | undefined
}

const waiting: Readonly<Record<string, Polled<Issued>>> = {
  authorization_pending: { _tag: "Pending" },
  slow_down: { _tag: "SlowDown" }
}

/** The failures after which the provider is asked again. */
const orWaiting = (error: unknown): Polled<Issued> => {
  const found = error instanceof ResponseBodyError ? waiting[error.error] : undefined
  if (found !== undefined) return found
  if (isUnreachable(error)) return { _tag: "Unreachable" }
  throw error
}

const askForToken = ({ device, provider, server }: Begun) => {
  const client = { client_id: provider.clientId }
  const send = async (options: RequestOptions): Promise<Polled<Issued>> => {
    const response = await deviceCodeGrantRequest(server, client, None(), device.device_code, options)
    const { id_token: token } = await processDeviceCodeResponse(server, client, response)
    return { _tag: "Answered", answer: { response, token } }
  }
  return request(provider, (options) => send(options).catch(orWaiting))
}

/** Waits for the person, and returns the ID token after all checks. */
export const idToken = Effect.fnUntraced(function* (begun: Begun) {
  const { device, provider, server } = begun
  const { response, token } = yield* poll(askForToken(begun), {
    interval: device.interval,
    expiresIn: device.expires_in,
    expired
  })
  if (token === undefined) {
    return yield* notAuthorised(`${provider.issuer.href} issued no ID token: add openid to the scopes of --scope.`)
  }
  yield* request(provider, (options) => validateApplicationLevelSignature(server, response, options))
  return token
})

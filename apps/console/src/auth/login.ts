/**
 * Signs in at a login provider: OpenID Connect, the authorization code flow with PKCE, in a page without a server of its own.
 *
 * ```
 *   beginLogin ─▶ the provider's page ─▶ this page, with a code in its address ─▶ finishLogin ─▶ an ID token, in memory
 * ```
 *
 * Invariants
 * - The verifier, the state and the nonce of a login are in IndexedDB, and used once.
 * - No token is stored: this browser becomes a device of the identity (`identity.ts`), and the token is forgotten.
 */
import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  type AuthorizationServer,
  calculatePKCECodeChallenge,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  None,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  validateAuthResponse
} from "oauth4webapi"
import { openStore } from "../data/storage.ts"
import type { LoginProvider } from "./config.ts"

interface Pending {
  readonly issuer: string
  readonly verifier: string
  readonly state: string
  readonly nonce: string
}

const pending = openStore<Pending>("identity")
const key = "login"

/** Registered at the provider for this page. */
const redirectUri = (): string => `${location.origin}/`

/** A provider of this machine needs no TLS. */
const isLoopback = ({ hostname }: URL): boolean => ["127.0.0.1", "localhost", "[::1]"].includes(hostname)

/** Of each request. A provider that does not respond is a failure. */
const optionsFor = (issuer: URL) => ({
  [allowInsecureRequests]: isLoopback(issuer),
  signal: AbortSignal.timeout(20_000)
})

const discover = async (issuer: URL): Promise<AuthorizationServer> =>
  processDiscoveryResponse(issuer, await discoveryRequest(issuer, optionsFor(issuer)))

/** The address of the provider's page for one login. */
export const beginLogin = async ({ clientId, issuer, scope }: LoginProvider): Promise<string> => {
  const server = await discover(new URL(issuer))
  if (server.authorization_endpoint === undefined) throw new Error(`${issuer} has no authorization endpoint`)
  const begun = {
    issuer,
    verifier: generateRandomCodeVerifier(),
    state: generateRandomState(),
    nonce: generateRandomNonce()
  }
  await pending.set(key, begun)
  const url = new URL(server.authorization_endpoint)
  const parameters = {
    client_id: clientId,
    redirect_uri: redirectUri(),
    response_type: "code",
    scope,
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: await calculatePKCECodeChallenge(begun.verifier),
    code_challenge_method: "S256",
    // A fragment does not reach the log of the host.
    ...(server.response_modes_supported?.includes("fragment") === true && { response_mode: "fragment" })
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

/** The ID token for the provider's response. Null if this browser has not begun the login. */
export const finishLogin = async (
  { clientId, issuer }: LoginProvider,
  response: URLSearchParams
): Promise<string | null> => {
  const begun = await pending.get(key)
  await pending.remove(key)
  if (begun?.issuer !== issuer) return null
  const client = { client_id: clientId }
  const server = await discover(new URL(issuer))
  const answer = await authorizationCodeGrantRequest(
    server,
    client,
    None(),
    validateAuthResponse(server, client, response, begun.state),
    redirectUri(),
    begun.verifier,
    optionsFor(new URL(issuer))
  )
  const tokens = await processAuthorizationCodeResponse(server, client, answer, {
    expectedNonce: begun.nonce,
    requireIdToken: true
  })
  return tokens.id_token ?? null
}

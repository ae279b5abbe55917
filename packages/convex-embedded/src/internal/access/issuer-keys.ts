/**
 * Resolves the public keys of an issuer: from a `data:` URI, a URL, or OpenID Connect discovery.
 *
 * Invariants
 * - Without `discovery` no request leaves this machine.
 * - Network requests use `https:`. `http:` is accepted for this machine only, and a remote issuer cannot redirect to it.
 * - After a failure or a missing key, an issuer is queried at most once in 30 s, however many tokens arrive. So clients
 *   cannot use the deployment to flood an issuer. The deployment queries itself once a second: it has just started then,
 *   and its clients sign out if their tokens are refused for long.
 */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type FetchImplementation,
  type JSONWebKeySet,
  type JWTVerifyGetKey
} from "jose"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import { messageOf } from "../values/errors.ts"

/** Time limit for the response of an issuer. */
const TIMEOUT_MILLIS = 5000
/** The largest accepted response; key sets and metadata have a few kB. */
const ANSWER_BYTES = 256 * 1024
const COOLDOWN_MILLIS = 30_000
const OWN_COOLDOWN_MILLIS = 1000
/** How long metadata is cached. Issuers rarely move their keys; `jose` caches the keys themselves for ten minutes. */
const DISCOVERED_MILLIS = 3_600_000

/** The keys of a provider's `jwks`. `own`: the URL of the deployment. Fails with `InvalidOptions`. */
export const keysAt = (issuer: string, jwks: string, discovery: boolean, own: string): JWTVerifyGetKey => {
  if (/^\/(?!\/)/.test(jwks)) return remoteKeys(new URL(jwks, own), OWN_COOLDOWN_MILLIS)
  const url = URL.parse(jwks)
  if (url?.protocol === "data:") return createLocalJWKSet(inlineKeys(issuer, jwks))
  if (url !== null && isSafe(url))
    return discovery || isLocal(url) ? remoteKeys(url, COOLDOWN_MILLIS) : notAllowed(issuer)
  throw new ConvexEmbeddedError(
    "InvalidOptions",
    `The jwks of the auth provider ${issuer} must be a data: URI, a path of an HTTP action, an https: URL, or a URL of this machine, such as http://127.0.0.1:8080/jwks.json.`
  )
}

/** A provider may be configured without the permission to fetch its keys: only its tokens are rejected. */
export const notAllowed = (issuer: string) => (): never => {
  throw new Error(
    `The keys of ${issuer} require requests to the issuer, which are disabled. ` +
      "Enable them with `auth: { discovery: true }`."
  )
}

/** The keys that an issuer names in its OpenID Connect metadata. `own`: the URL of the deployment. Fails with `InvalidOptions`. */
export const discoveredKeys = (issuer: string, own: string): JWTVerifyGetKey => {
  const cooldownMillis = issuer === own ? OWN_COOLDOWN_MILLIS : COOLDOWN_MILLIS
  const base = URL.parse(issuer)
  if (base === null || !isSafe(base)) {
    throw new ConvexEmbeddedError(
      "InvalidOptions",
      `The domain of an auth provider must be an https: URL, or an http: URL of this machine, not ${issuer}.`
    )
  }
  const discover = async (): Promise<JWTVerifyGetKey> => {
    const response = await fetchWithin(`${issuer}/.well-known/openid-configuration`, {
      headers: new Headers({ accept: "application/json" }),
      method: "GET",
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MILLIS)
    })
    const metadata = (await response.json()) as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
    if (typeof metadata.issuer !== "string" || canonicalIssuer(metadata.issuer) !== issuer) {
      throw new Error(`it says that it is the issuer ${String(metadata.issuer)}`)
    }
    const url = URL.parse(String(metadata.jwks_uri))
    if (url === null || !isSafe(url) || (isLocal(url) && !isLocal(base))) {
      throw new Error(`its keys cannot be taken from ${String(metadata.jwks_uri)}`)
    }
    return remoteKeys(url, cooldownMillis)
  }
  const discovered = remembering(DISCOVERED_MILLIS, cooldownMillis, () =>
    discover().catch((cause: unknown) => {
      throw new Error(`the issuer ${issuer} cannot be asked for its keys: ${messageOf(cause)}`, { cause })
    })
  )
  return async (header, token) => (await discovered())(header, token)
}

/** Normalises an issuer: with a protocol, and without trailing slashes. */
export const canonicalIssuer = (issuer: string): string =>
  (/^https?:\/\//.test(issuer) ? issuer : `https://${issuer}`).replace(/(?<!\/)\/+$/, "")

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"])

const isLocal = (url: URL): boolean => LOOPBACK.has(url.hostname)

const isSafe = (url: URL): boolean => url.protocol === "https:" || (url.protocol === "http:" && isLocal(url))

const remoteKeys = (url: URL, cooldownMillis: number): JWTVerifyGetKey =>
  createRemoteJWKSet(url, {
    cooldownDuration: cooldownMillis,
    timeoutDuration: TIMEOUT_MILLIS,
    // `jose` caches successful responses, but not failures.
    [customFetch]: remembering(0, cooldownMillis, fetchWithin)
  })

/** Caches a result and a failure for these times. */
const remembering = <Question extends Array<unknown>, A>(
  resultMillis: number,
  failureMillis: number,
  ask: (...question: Question) => Promise<A>
): ((...question: Question) => Promise<A>) => {
  let known: { readonly answer: Promise<A>; until: number } | null = null
  return (...question) => {
    if (known !== null && Date.now() < known.until) return known.answer
    const asked = { answer: ask(...question), until: Date.now() + resultMillis }
    asked.answer.catch(() => (asked.until = Date.now() + failureMillis))
    known = asked
    return asked.answer
  }
}

/** `fetch` with a limit of the response size. */
const fetchWithin: FetchImplementation = async (url, options) => {
  const response = await fetch(url, options)
  if (response.status !== 200) throw new Error(`${url} answered with status ${response.status}`)
  const chunks: Array<Uint8Array> = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > ANSWER_BYTES) throw new Error(`${url} answered with more than ${ANSWER_BYTES} bytes`)
    chunks.push(chunk)
  }
  return new Response(Buffer.concat(chunks))
}

/** `data:[type][;charset=…][;base64],content` */
const inlineKeys = (issuer: string, jwks: string): JSONWebKeySet => {
  try {
    const [, base64, content = ""] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(jwks) ?? []
    const text = base64 === undefined ? decodeURIComponent(content) : Buffer.from(content, "base64").toString("utf8")
    return JSON.parse(text) as JSONWebKeySet
  } catch (cause) {
    throw new ConvexEmbeddedError(
      "InvalidOptions",
      `The jwks of the auth provider ${issuer} is not a JSON Web Key Set in a data: URI.`,
      { cause }
    )
  }
}

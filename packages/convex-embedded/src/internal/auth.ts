/** Who calls: JSON Web Tokens, verified against the providers of the deployment. */
import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose"
import type { Value } from "convex/values"
import { ConvexEmbeddedError } from "../ConvexEmbeddedError.ts"

/**
 * An issuer of tokens, as `auth.config.ts` names it. Providers found by OpenID discovery (those with a `domain`) are
 * accepted in the configuration, but their tokens are refused: this deployment asks nobody on the internet.
 *
 * @category models
 * @since 0.1.0
 */
export type AuthProvider =
  | {
      readonly type: "customJwt"
      /** The `iss` of its tokens. */
      readonly issuer: string
      /** The `aud` of its tokens; without it any audience is accepted. */
      readonly applicationID?: string
      /** Its public keys: a `data:` URI, or a URL of this machine. */
      readonly jwks: string
      readonly algorithm: "ES256" | "RS256"
    }
  | { readonly domain: string; readonly applicationID: string }

/** What `ctx.auth.getUserIdentity()` gives. */
export type Identity = { readonly tokenIdentifier: string; readonly [claim: string]: Value }

interface VerifiedToken {
  readonly identity: Identity
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** Fails with a message for the client when the token is not good. */
export type VerifyToken = (token: string) => Promise<VerifiedToken>

type CustomJwt = Extract<AuthProvider, { type: "customJwt" }>

export const makeVerifier = (providers: ReadonlyArray<AuthProvider>): VerifyToken => {
  const known = providers.filter((provider): provider is CustomJwt => "type" in provider)
  const verifiers = known.map((provider) => ({ keys: keysOf(provider), provider }))
  return async (token) => {
    const claims = decode(token)
    const candidates = verifiers.filter(
      ({ provider }) =>
        provider.issuer === claims.iss &&
        (provider.applicationID === undefined || [claims.aud].flat().includes(provider.applicationID))
    )
    if (candidates.length === 0) {
      throw new Error(
        `No auth provider found matching the given token: issuer ${claims.iss ?? "missing"}, audience ${String(claims.aud ?? "missing")}. ` +
          `Configured: ${known.map((each) => `${each.issuer} (${each.applicationID ?? "any audience"})`).join(", ") || "none"}.`
      )
    }
    let failure: unknown
    for (const { keys, provider } of candidates) {
      try {
        const { payload } = await jwtVerify(token, keys, {
          algorithms: [provider.algorithm],
          issuer: provider.issuer,
          requiredClaims: ["exp", "sub"],
          ...(provider.applicationID === undefined ? {} : { audience: provider.applicationID })
        })
        return { expiresAt: payload.exp! * 1000, identity: identityOf(payload) }
      } catch (cause) {
        failure = cause
      }
    }
    throw new Error(`Could not validate token: ${failure instanceof Error ? failure.message : String(failure)}`)
  }
}

const decode = (token: string): JWTPayload => {
  try {
    return decodeJwt(token)
  } catch {
    throw new Error("Could not parse as an ID token: it is not a JSON Web Token.")
  }
}

const keysOf = (provider: CustomJwt) => {
  const url = URL.parse(provider.jwks)
  if (url?.protocol === "data:") return createLocalJWKSet(inlineKeys(provider))
  if (url !== null && /^https?:$/.test(url.protocol) && LOOPBACK.has(url.hostname)) return createRemoteJWKSet(url)
  throw new ConvexEmbeddedError(
    "InvalidOptions",
    `The jwks of the auth provider ${provider.issuer} must be a data: URI or a URL of this machine, such as http://127.0.0.1:8080/jwks.json.`
  )
}

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"])

/** `data:[type][;charset=…][;base64],content` */
const inlineKeys = (provider: CustomJwt): JSONWebKeySet => {
  try {
    const [, base64, content = ""] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(provider.jwks) ?? []
    const text = base64 === undefined ? decodeURIComponent(content) : Buffer.from(content, "base64").toString("utf8")
    return JSON.parse(text) as JSONWebKeySet
  } catch (cause) {
    throw new ConvexEmbeddedError(
      "InvalidOptions",
      `The jwks of the auth provider ${provider.issuer} is not a JSON Web Key Set in a data: URI.`,
      { cause }
    )
  }
}

const CLAIM_NAMES: Record<string, string> = {
  birthdate: "birthday",
  email_verified: "emailVerified",
  family_name: "familyName",
  given_name: "givenName",
  iss: "issuer",
  locale: "language",
  phone_number: "phoneNumber",
  phone_number_verified: "phoneNumberVerified",
  picture: "pictureUrl",
  preferred_username: "preferredUsername",
  profile: "profileUrl",
  sub: "subject",
  updated_at: "updatedAt",
  zoneinfo: "timezone"
}

/** Claims about the token itself, not about its subject. */
const TOKEN_CLAIMS = new Set(["aud", "exp", "iat", "jti", "nbf"])

const identityOf = (claims: JWTPayload): Identity => {
  const about = Object.entries(claims).filter(([claim]) => !TOKEN_CLAIMS.has(claim))
  return {
    ...(Object.fromEntries(about.map(([claim, value]) => [CLAIM_NAMES[claim] ?? claim, value])) as Record<
      string,
      Value
    >),
    tokenIdentifier: `${claims.iss}|${claims.sub}`
  }
}

/** Verifies JSON Web Tokens against the auth providers of the deployment. */
import { decodeJwt, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from "jose"
import type { Value } from "convex/values"
import { ConvexEmbeddedError } from "../../ConvexEmbeddedError.ts"
import type { AuthProvider, Identity, VerifyToken } from "../values/identity.ts"
import { canonicalIssuer, discoveredKeys, keysAt, notAllowed } from "./issuer-keys.ts"
import { nestingOf, tooNested } from "../values/json.ts"
import { limits } from "../values/limits.ts"

interface Issuer {
  readonly name: string
  readonly audience: string | undefined
  readonly algorithms: Array<string>
  readonly keys: JWTVerifyGetKey
}

/**
 * `discovery`: whether keys may be fetched from issuers on other machines. `own`: the URL of the deployment, which may be
 * an issuer itself, and whose routes may serve keys. Fails with `InvalidOptions`.
 */
export const makeVerifier = (providers: ReadonlyArray<AuthProvider>, discovery: boolean, own = ""): VerifyToken => {
  const issuers = providers.map((provider) => issuerOf(provider, discovery, own))
  return async (token) => {
    const claims = decode(token)
    const candidates = issuers.filter(
      ({ audience, name }) =>
        typeof claims.iss === "string" &&
        name === canonicalIssuer(claims.iss) &&
        (audience === undefined || [claims.aud].flat().includes(audience))
    )
    if (candidates.length === 0) {
      throw new Error(
        `No auth provider found matching the given token: issuer ${claims.iss ?? "missing"}, audience ${String(claims.aud ?? "missing")}. ` +
          `Configured: ${issuers.map(({ audience, name }) => `${name} (${audience ?? "any audience"})`).join(", ") || "none"}.`
      )
    }
    let failure: unknown
    for (const { algorithms, audience, keys } of candidates) {
      try {
        const { payload } = await jwtVerify(token, keys, {
          algorithms,
          requiredClaims: ["exp", "sub"],
          ...(audience === undefined ? {} : { audience })
        })
        if (typeof payload.sub !== "string" || payload.sub.trim() === "") throw new Error('"sub" claim is empty')
        return { expiresAt: payload.exp! * 1000, identity: identityOf(payload) }
      } catch (cause) {
        failure = cause
      }
    }
    throw new Error(`Could not validate token: ${failure instanceof Error ? failure.message : String(failure)}`)
  }
}

const issuerOf = (provider: AuthProvider, discovery: boolean, own: string): Issuer => {
  const audience = provider.applicationID
  if ("type" in provider) {
    const { algorithm, issuer, jwks, type } = provider
    const isGiven = typeof issuer === "string" && (algorithm === "ES256" || algorithm === "RS256")
    if (type !== "customJwt" || !isGiven) throw notAProvider(provider)
    return {
      algorithms: [algorithm],
      audience,
      keys: keysAt(issuer, jwks, discovery, own),
      name: canonicalIssuer(issuer)
    }
  }
  // Without an audience, tokens for any other application of the issuer would be accepted.
  if (typeof provider.domain !== "string" || typeof audience !== "string") throw notAProvider(provider)
  const name = canonicalIssuer(provider.domain)
  const keys = discovery || name === own ? discoveredKeys(name, own) : notAllowed(name)
  // The algorithms that Convex accepts from such issuers.
  return { algorithms: ["RS256", "EdDSA"], audience, keys, name }
}

/** Providers are checked at run time: their values may come from environment variables. */
const notAProvider = (provider: AuthProvider) =>
  new ConvexEmbeddedError(
    "InvalidOptions",
    'An auth provider must be { domain, applicationID } or { type: "customJwt", issuer, applicationID, jwks, algorithm } ' +
      `with ES256 or RS256, not ${JSON.stringify(provider)}.`
  )

const decode = (token: string): JWTPayload => {
  if (token.length > limits.tokenCharacters) {
    throw new Error(`The token is longer than ${limits.tokenCharacters} characters.`)
  }
  try {
    return decodeJwt(token)
  } catch {
    throw new Error("Could not parse as an ID token: it is not a JSON Web Token.")
  }
}

const CLAIM_NAMES = new Map(
  Object.entries({
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
  })
)

/** Claims about the token itself, not about its subject. */
const TOKEN_CLAIMS = new Set(["aud", "exp", "iat", "jti", "nbf"])

/** A custom claim never overrides a standard claim, which has another name in an identity. */
const identityOf = (claims: JWTPayload): Identity => {
  const about = Object.entries(claims).filter(([claim]) => !TOKEN_CLAIMS.has(claim))
  const own = about.filter(([claim]) => !CLAIM_NAMES.has(claim) && !STANDARD.has(claim))
  const standard = about.flatMap(([claim, value]) => (CLAIM_NAMES.has(claim) ? [[CLAIM_NAMES.get(claim)!, value]] : []))
  const identity = {
    ...(Object.fromEntries([...own, ...standard]) as Record<string, Value>),
    tokenIdentifier: `${claims.iss}|${claims.sub}`
  }
  const levels = nestingOf(JSON.stringify(identity))
  if (levels > limits.nesting) throw new Error(tooNested("A claim", levels, limits.nesting))
  return identity
}

const STANDARD = new Set(CLAIM_NAMES.values())

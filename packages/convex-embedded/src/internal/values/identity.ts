/** The types of identity: who issues tokens, and the identity that a verified token carries. */
import type { Value } from "convex/values"

/**
 * A token issuer, as declared in `auth.config.ts`.
 *
 * The keys of a provider with a `domain` are found by OpenID Connect discovery, if `auth.discovery` allows it. Otherwise
 * the provider may be configured, but its tokens are rejected.
 */
export type AuthProvider =
  | {
      readonly type: "customJwt"
      /** The `iss` claim of its tokens. */
      readonly issuer: string
      /** The `aud` claim of its tokens; any audience is accepted if absent. */
      readonly applicationID?: string
      /**
       * Its public keys: a `data:` URI, the path of an HTTP action of the deployment, or a URL of this machine; with
       * `auth.discovery` also another `https:` URL.
       */
      readonly jwks: string
      readonly algorithm: "ES256" | "RS256"
    }
  | {
      /** The `iss` claim of its tokens, and the base URL of its metadata. */
      readonly domain: string
      /** The `aud` claim of its tokens. */
      readonly applicationID: string
    }

/** The result of `ctx.auth.getUserIdentity()`. */
export type Identity = { readonly tokenIdentifier: string; readonly [claim: string]: Value }

interface VerifiedToken {
  readonly identity: Identity
  /** Milliseconds since 1970. */
  readonly expiresAt: number
}

/** Rejects with a message for the client if the token is invalid. */
export type VerifyToken = (token: string) => Promise<VerifiedToken>

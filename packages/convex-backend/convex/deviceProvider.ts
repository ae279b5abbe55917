/** The deployment as the issuer of its devices' tokens, for `auth.config.ts`. */
import { DEVICE_AUDIENCE, DEVICE_ISSUER, JWKS_PATH } from "./deviceTokens.ts"

declare const process: { readonly env: Readonly<Record<string, string | undefined>> }

export const deviceProvider = {
  type: "customJwt" as const,
  issuer: DEVICE_ISSUER,
  applicationID: DEVICE_AUDIENCE,
  algorithm: "ES256" as const,
  // An embedded deployment has no such variable, and reads a path as one of its own routes.
  jwks: `${process.env["CONVEX_SITE_URL"] ?? ""}${JWKS_PATH}`
}

/** The identity of the operator of a test deployment. */
import { exportJWK, generateKeyPair, SignJWT } from "jose"

const issuer = "https://operator.test"
const audience = "opencode-worker"

/** The provider that a deployment must trust, and a source of tokens. */
export const makeOperatorKey = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const sign = (expires: number | string) =>
    new SignJWT({})
      .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject("operator")
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(privateKey)
  return {
    provider: {
      type: "customJwt",
      issuer,
      applicationID: audience,
      algorithm: "ES256",
      jwks: `data:text/plain,${encodeURIComponent(jwks)}`
    },
    token: () => sign("1 day"),
    /** A token that expires then, in seconds since 1970. */
    tokenUntil: (expires: number) => sign(expires)
  } as const
}

/** Identity tokens that are signed well and must not be an identity, or not another one's. */
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose"
import { assert, describe, it } from "vitest"
import { makeVerifier } from "../../src/internal/access/auth.ts"
import { limits } from "../../src/internal/values/limits.ts"
import { connect, deploy, watch } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"

const ISSUER = "https://issuer.test"

const issuer = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: "ES256", use: "sig" }] })
  const provider = {
    algorithm: "ES256",
    issuer: ISSUER,
    jwks: `data:application/json,${encodeURIComponent(jwks)}`,
    type: "customJwt"
  } as const
  const sign = (claims: JWTPayload) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", typ: "JWT" })
      .setIssuer(ISSUER)
      .setIssuedAt()
      .setExpirationTime("1h")
      .sign(privateKey)
  return { provider, sign, verify: makeVerifier([provider], false) }
}

/** A token without a signature. */
const unsigned = (claims: string) =>
  `${Buffer.from('{"alg":"ES256"}').toString("base64url")}.${Buffer.from(claims).toString("base64url")}.x`

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "accepted",
    (cause: Error) => cause.message
  )

describe("identities", () => {
  it("tokens without a subject, or with an empty one, are rejected", async () => {
    const { sign, verify } = await issuer()
    for (const sub of ["", " ", undefined, 0, null, ["ann"], {}]) {
      const token = await sign(sub === undefined ? {} : { sub: sub as never })
      assert.include(await refusal(verify(token)), '"sub"', JSON.stringify(sub))
    }
  })

  it("custom claims do not override standard claims or prototype properties", async () => {
    const { sign, verify } = await issuer()
    const { identity } = await verify(
      await sign({
        constructor: "c",
        email: "ann@test",
        email_verified: false,
        emailVerified: true,
        issuer: "https://another.test",
        sub: "ann",
        subject: "bob",
        tokenIdentifier: "https://issuer.test|bob"
      })
    )
    assert.deepEqual(identity, {
      constructor: "c" as never,
      email: "ann@test",
      emailVerified: false,
      issuer: ISSUER,
      subject: "ann",
      tokenIdentifier: `${ISSUER}|ann`
    })
    const { identity: without } = await verify(await sign({ phoneNumberVerified: true, sub: "ann" }))
    assert.notProperty(without, "phoneNumberVerified", "only the claim phone_number_verified says so")
  })

  it("an oversized token is rejected before decoding, and only its client is closed", async () => {
    const { provider, sign, verify } = await issuer()
    const slashes = `{"iss":"${"/".repeat(8 * 1024)}x","sub":"ann"}`
    for (const token of [
      "a.".repeat(limits.tokenCharacters),
      unsigned(`{"iss":${"[".repeat(5000)}${"]".repeat(5000)}}`),
      unsigned(slashes),
      await sign({ deep: JSON.parse("[".repeat(70) + "]".repeat(70)) as unknown, sub: "ann" })
    ]) {
      assert.match(await refusal(verify(token)), /longer than|auth provider|call stack|too nested/)
    }
    const deployment = await deploy({ auth: { providers: [provider] } })
    const client = connect(deployment)
    const accepted = new Promise<boolean>((resolve) => {
      client.setAuth(() => Promise.resolve(unsigned(`{"iss":"${"/".repeat(1_000_000)}x"}`)), resolve)
    })
    assert.isFalse(await accepted)
    const other = watch(connect(deployment), api.counters.read, { name: "n" })
    assert.equal(await other.until(() => true), 0)
  })
})

/** The deployment of the examples, in this process, with tokens for the operator that it trusts. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { exportJWK, generateKeyPair, SignJWT } from "jose"

export const deploy = async () => {
  const issuer = "https://me.example"
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const url = `data:text/plain,${encodeURIComponent(jwks)}`
  const dataDir = mkdtempSync(join(tmpdir(), "convex-sync-example-"))
  const deployment = await ConvexEmbedded.make({
    functions: functionsDir,
    dataDir,
    auth: { providers: [{ type: "customJwt", issuer, algorithm: "ES256", jwks: url }] }
  })
  const claims = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "1" }).setIssuer(issuer).setSubject("me")
  const token = () => claims.setIssuedAt().setExpirationTime("1h").sign(privateKey)
  return {
    url: deployment.url,
    token,
    [Symbol.asyncDispose]: async () => {
      await deployment[Symbol.asyncDispose]()
      rmSync(dataDir, { recursive: true })
    }
  }
}

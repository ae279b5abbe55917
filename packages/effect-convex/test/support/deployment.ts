/** A real deployment of `test/convex` in this process, and connections to it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { Context, Effect, Layer } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { ConvexClient, type ConvexClientOptions } from "../../src/index.ts"

const issuer = "https://issuer.test"

const start = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const dataDir = mkdtempSync(join(tmpdir(), "effect-convex-"))
  const provider = {
    type: "customJwt" as const,
    issuer,
    algorithm: "ES256" as const,
    jwks: `data:text/plain,${encodeURIComponent(jwks)}`
  }
  const serve = (port: number) =>
    ConvexEmbedded.make({
      functions: `${import.meta.dirname}/../convex`,
      dataDir,
      port,
      durability: "normal",
      userTimeLimit: 30_000,
      auth: { providers: [provider] }
    })
  let deployment = await serve(0)
  const { url } = deployment
  return {
    url,
    token: (subject: string) =>
      new SignJWT({})
        .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
        .setIssuer(issuer)
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime("1d")
        .sign(privateKey),
    /** Stops the deployment until the effect has ended, then starts it at the same URL with the same data. */
    whileAway: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.promise(() => deployment.close()).pipe(
        Effect.andThen(effect),
        Effect.ensuring(
          Effect.promise(async () => {
            deployment = await serve(Number(new URL(url).port))
          })
        )
      ),
    close: async () => {
      await deployment.close()
      rmSync(dataDir, { force: true, recursive: true })
    }
  }
}

export class Deployment extends Context.Service<Deployment, Awaited<ReturnType<typeof start>>>()("test/Deployment") {
  static readonly layer = Layer.effect(
    Deployment,
    Effect.acquireRelease(Effect.promise(start), (deployment) => Effect.promise(deployment.close))
  )
}

/** A connection as `subject`. */
export const connection = (subject: string, options: Partial<ConvexClientOptions> = {}) =>
  Effect.flatMap(Deployment, ({ url, token }) =>
    ConvexClient.make({ url, auth: Effect.promise(() => token(subject)), ...options })
  )

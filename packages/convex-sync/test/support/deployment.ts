/** A real deployment of the backend's functions in this process, and connections to it. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { ConvexEmbedded } from "@opencode-worker/convex-embedded"
import { Context, Effect, Layer, Redacted } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { api, Pairing, type WorkerCredentials } from "../../src/index.ts"
import { ConvexClient } from "@opencode-worker/effect-convex"

const issuer = "https://issuer.test"

const start = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  const dataDir = mkdtempSync(join(tmpdir(), "convex-sync-"))
  const provider = {
    type: "customJwt" as const,
    issuer,
    algorithm: "ES256" as const,
    jwks: `data:text/plain,${encodeURIComponent(jwks)}`
  }
  const serve = (port: number) =>
    ConvexEmbedded.make({
      functions: functionsDir,
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
    /** Stops the deployment while the effect runs, then restarts it at the same address with the same data. */
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

/** A connection, authenticated if `subject` is given. */
export const connection = (subject?: string) =>
  Effect.flatMap(Deployment, ({ url, token }) =>
    ConvexClient.make({ url, ...(subject !== undefined && { auth: Effect.promise(() => token(subject)) }) })
  )

/** A worker that `operator` approved. */
export const pair = Effect.fnUntraced(function* (operator: ConvexClient["Service"]) {
  const attempt = yield* Pairing.begin({ machine: "laptop", directory: "/work" }).pipe(
    Effect.provideService(ConvexClient, operator)
  )
  const workerId = yield* operator.action(api.pairing.approve, { code: attempt.code })
  return { workerId, secret: attempt.secret } satisfies WorkerCredentials
})

export const signature = (credentials: WorkerCredentials, epoch: number) => ({
  workerId: credentials.workerId,
  secret: Redacted.value(credentials.secret),
  epoch
})

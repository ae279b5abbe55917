/** The embedded deployment, which can be killed and started again at the same address, and whose operator we are. */
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Scope } from "effect"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import * as Child from "./Child.ts"
import type { Settings } from "./serve.ts"

const issuer = "https://operator.chaos.test"
const audience = "opencode-worker"

const operatorKey = Effect.promise(async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: "1", alg: "ES256", use: "sig" }] })
  return {
    provider: {
      type: "customJwt",
      issuer,
      applicationID: audience,
      algorithm: "ES256",
      jwks: `data:text/plain,${encodeURIComponent(jwks)}`
    },
    token: Effect.promise(() =>
      new SignJWT({})
        .setProtectedHeader({ alg: "ES256", kid: "1", typ: "JWT" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject("operator")
        .setIssuedAt()
        .setExpirationTime("1 day")
        .sign(privateKey)
    )
  } as const
})

/** Serves below `root`, for as long as the scope. */
export const makeDeployment = Effect.fnUntraced(function* (root: string) {
  const { provider, token } = yield* operatorKey
  const scope = yield* Effect.scope
  const serve = Effect.fnUntraced(function* (port: number) {
    const settings: Settings = { dataDir: join(root, "deployment"), port, provider }
    const program = fileURLToPath(new URL("./serve.ts", import.meta.url))
    const child = yield* Child.start({
      program: process.execPath,
      args: ["--conditions=@opencode-worker/source", program, JSON.stringify(settings)],
      environment: { PATH: process.env["PATH"] ?? "" }
    })
    const [, url = ""] = yield* child.says(/Serving at (\S+)/)
    return { child, url }
  })

  let { child, url } = yield* serve(0)
  return {
    url,
    port: Number(new URL(url).port),
    token,
    /** Kills it in the middle of whatever it does. */
    kill: Effect.suspend(() => child.end("SIGKILL")),
    start: serve(Number(new URL(url).port)).pipe(
      Scope.provide(scope),
      Effect.map((again) => {
        child = again.child
      })
    )
  }
})

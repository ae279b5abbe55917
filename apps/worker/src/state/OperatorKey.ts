/**
 * The identity of the person at this machine, for the embedded deployment: a key pair that never leaves the data folder.
 */
import { Clock, Effect, Option, Schema } from "effect"
import { exportJWK, generateKeyPair, importJWK, SignJWT } from "jose"
import * as PrivateFile from "./PrivateFile.ts"

const issuer = "https://operator.opencode-worker.local"
const audience = "opencode-worker"
/** Lifetime of a token in seconds. The client requests the next one in time. */
const tokenSeconds = 3600

const Jwk = Schema.Record(Schema.String, Schema.String)
const KeyFile = Schema.Struct({ privateKey: Jwk, publicKey: Jwk })

const create = Effect.promise(() => generateKeyPair("ES256", { extractable: true })).pipe(
  Effect.flatMap((pair) => Effect.promise(() => Promise.all([exportJWK(pair.privateKey), exportJWK(pair.publicKey)]))),
  Effect.flatMap(([privateKey, publicKey]) =>
    Schema.decodeUnknownEffect(KeyFile)({ privateKey, publicKey }).pipe(Effect.orDie)
  )
)

/**
 * Loads the key, and creates it at the first start. Returns the provider that a deployment must trust, and a source of tokens.
 */
export const operatorKey = Effect.fnUntraced(function* (file: string) {
  const stored = yield* PrivateFile.read(file, KeyFile)
  const { privateKey, publicKey } = Option.isSome(stored) ? stored.value : yield* create
  if (Option.isNone(stored)) yield* PrivateFile.write(file, KeyFile, { privateKey, publicKey })
  const key = yield* Effect.promise(() => importJWK(privateKey, "ES256"))
  const jwks = JSON.stringify({ keys: [{ ...publicKey, kid: "operator", alg: "ES256", use: "sig" }] })
  return {
    provider: {
      type: "customJwt" as const,
      issuer,
      applicationID: audience,
      algorithm: "ES256" as const,
      jwks: `data:text/plain;charset=utf-8;base64,${Buffer.from(jwks).toString("base64")}`
    },
    token: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.promise(() =>
        new SignJWT({})
          .setProtectedHeader({ alg: "ES256", kid: "operator", typ: "JWT" })
          .setSubject("local-operator")
          .setIssuer(issuer)
          .setAudience(audience)
          .setIssuedAt(Math.floor(now / 1000))
          .setExpirationTime(Math.floor(now / 1000) + tokenSeconds)
          .sign(key)
      )
    )
  }
})

/** Devices of operators, with real keys. */
import type { ConvexHttpClient } from "convex/browser"
import { exportJWK, generateKeyPair, SignJWT } from "jose"
import { DEVICE_ISSUER } from "../../convex/deviceTokens.ts"
import { api, type Id } from "../../src/api.ts"
import type { Deployment } from "./deployment.ts"

export type Scope = "read" | "approve" | "operate"

export const newKey = async () => {
  const { privateKey, publicKey } = await generateKeyPair("ES256")
  const { x = "", y = "" } = await exportJWK(publicKey)
  return { privateKey, publicKey: { x, y } }
}
export type Key = Awaited<ReturnType<typeof newKey>>

/** An assertion of a device, issued at `at` milliseconds. */
export const assertion = (deviceId: string, { privateKey }: Key, at = Date.now(), audience = DEVICE_ISSUER) =>
  new SignJWT({})
    .setProtectedHeader({ alg: "ES256" })
    .setSubject(deviceId)
    .setAudience(audience)
    .setIssuedAt(Math.floor(at / 1000))
    .sign(privateKey)

/** A client that uses a device. */
export const signIn = async (deployment: Deployment, deviceId: string, key: Key): Promise<ConvexHttpClient> => {
  const client = deployment.anonymous()
  const { token } = await client.action(api.tokens.issue, { assertion: await assertion(deviceId, key) })
  client.setAuth(token)
  return client
}

/** A new device of the operator, signed in. */
export const newDevice = async (deployment: Deployment, operator: ConvexHttpClient, scope: Scope, name = "phone") => {
  const { code } = await operator.mutation(api.devices.add, { name, scope })
  const key = await newKey()
  const { deviceId } = await deployment.anonymous().mutation(api.devices.claim, { code, publicKey: key.publicKey })
  return { deviceId, key, client: await signIn(deployment, deviceId, key) } satisfies {
    readonly deviceId: Id<"devices">
    readonly key: Key
    readonly client: ConvexHttpClient
  }
}

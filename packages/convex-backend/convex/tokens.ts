/**
 * The deployment as the issuer of its devices' tokens.
 *
 * A device proves its key with an assertion and receives a token that Convex verifies like any other token. The device does not sign
 * the token itself: Convex accepts every token of an issuer that one of the issuer's keys has signed, so a device could take
 * the identity of another one.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import { internalMutation, internalQuery } from "./_generated/server.ts"
import { anonymousAction, publicRoute } from "./builders.ts"
import { lastSeenAt, markSeen } from "./deviceRows.ts"
import { issueToken, jwksOf, newIssuerKey, type PublicKey, readAssertion } from "./deviceTokens.ts"
import { appError } from "./errors.ts"
import { checkText, DEVICE_SEEN_INTERVAL, DEVICE_TOKEN_LIFETIME, MAX_ASSERTION } from "./limits.ts"
import { publicKey } from "./validators.ts"

/**
 * A token for all other functions, valid for 5 minutes, for an assertion that the device's key has signed: an ES256 JWT with
 * `sub` (the device's id), `aud` (`DEVICE_ISSUER`) and `iat`, at most 5 minutes away from the deployment's clock. Fails with
 * `Unauthenticated`, `Revoked` or `Expired`.
 */
export const issue = anonymousAction({
  args: { assertion: v.string() },
  handler: async (ctx, { assertion }): Promise<{ readonly token: string; readonly expiresAt: number }> => {
    checkText("assertion", assertion, MAX_ASSERTION)
    const { deviceId, isSignedBy, issuedAt } = readAssertion(assertion)
    const device = await ctx.runQuery(internal.tokens.keyOf, { deviceId })
    if (device === null || !(await isSignedBy(device.publicKey))) {
      throw appError("Unauthenticated", "The deployment knows no device with this id and key: pair it again")
    }
    if (device.isRevoked) throw appError("Revoked", "This device was revoked: pair it again")
    const now = Date.now()
    if (!(Math.abs(now - issuedAt) <= DEVICE_TOKEN_LIFETIME)) {
      const minutes = Math.round((issuedAt - now) / 60_000)
      throw appError("Expired", `The clock of this device is ${minutes} min away from the deployment's: correct it`)
    }
    let key = device.issuerKey
    key ??= (await ctx.runMutation(internal.tokens.storeIssuerKey, await newIssuerKey())).privateKey
    if (device.seenBefore <= now - DEVICE_SEEN_INTERVAL)
      await ctx.runMutation(internal.tokens.seen, { deviceId: device.deviceId })
    return { token: await issueToken(key, device.deviceId, now), expiresAt: now + DEVICE_TOKEN_LIFETIME }
  }
})

/** The public key of the tokens. It is created here too, so that no caller can make a verifier remember an empty set. */
export const jwks = publicRoute(async (ctx) => {
  const key =
    (await ctx.runQuery(internal.tokens.issuerKey)) ??
    (await ctx.runMutation(internal.tokens.storeIssuerKey, await newIssuerKey())).publicKey
  return new Response(JSON.stringify(jwksOf(key)), {
    headers: { "content-type": "application/json", "cache-control": "public, max-age=300" }
  })
})

export const keyOf = internalQuery({
  args: { deviceId: v.string() },
  handler: async (ctx, args) => {
    const deviceId = ctx.db.normalizeId("devices", args.deviceId)
    const device = deviceId === null ? null : await ctx.db.get(deviceId)
    if (device === null) return null
    return {
      deviceId: device._id,
      publicKey: device.publicKey,
      isRevoked: device.revokedAt !== undefined,
      seenBefore: await lastSeenAt(ctx, device._id),
      issuerKey: (await ctx.db.query("issuerKeys").first())?.privateKey ?? null
    }
  }
})

export const issuerKey = internalQuery({
  args: {},
  handler: async (ctx): Promise<PublicKey | null> => (await ctx.db.query("issuerKeys").first())?.publicKey ?? null
})

/** Stores the key if there is none yet, and returns the stored one. */
export const storeIssuerKey = internalMutation({
  args: { privateKey: v.string(), publicKey },
  handler: async (ctx, key): Promise<{ readonly privateKey: string; readonly publicKey: PublicKey }> => {
    const existing = await ctx.db.query("issuerKeys").first()
    if (existing === null) await ctx.db.insert("issuerKeys", key)
    return existing === null ? key : { privateKey: existing.privateKey, publicKey: existing.publicKey }
  }
})

export const seen = internalMutation({
  args: { deviceId: v.id("devices") },
  handler: (ctx, { deviceId }) => markSeen(ctx, deviceId)
})

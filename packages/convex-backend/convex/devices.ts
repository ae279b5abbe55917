/**
 * Devices of operators: each has a key, a scope and a name, and can be revoked separately.
 *
 * ```
 *   device of an operator: add(name, scope) ─▶ code, 5 minutes ─▶ new device: claim(code, public key) ─▶ deviceId
 *   device: tokens.issue(assertion signed by its key) ─▶ JWT of the deployment, 5 minutes ─▶ all other functions
 * ```
 *
 * Invariants
 * - A code has 80 random bits and is used once. Wrong codes are not counted: a count would let an anonymous caller block
 *   the pairing of others, and no number of guesses in 5 minutes has a chance.
 * - The private key of a device never reaches the deployment.
 * - Every call of a device reads its row, so a revocation also ends open subscriptions.
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, internalQuery, type MutationCtx } from "./_generated/server.ts"
import { auditOperator, toAuditView } from "./audit.ts"
import {
  anonymousMutation,
  type OperatorCaller,
  operatorMutation,
  operatorOf,
  operatorQuery,
  readerMutation,
  stoppingMutation
} from "./builders.ts"
import { addCode, claimCode, enrollDevice, lastSeenAt, LOCAL_OWNER, revokeDevice } from "./deviceRows.ts"
import type { PublicKey } from "./deviceTokens.ts"
import { appError } from "./errors.ts"
import { checkName, checkText, clamp, MAX_DEVICES, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"
import { publicKey, scope } from "./validators.ts"

const checkPublicKey = (key: PublicKey): void => {
  for (const field of ["x", "y"] as const) {
    if (!/^[\w-]{43}$/.test(key[field])) {
      throw appError("InvalidArgument", `publicKey.${field} must be a coordinate of P-256: 43 characters of base64url`)
    }
  }
}

/** Creates a code for a new device, to be used within 5 minutes. Fails with `RateLimited` if 10 codes or 100 devices exist. */
export const add = operatorMutation({
  args: { name: v.string(), scope },
  handler: async (ctx, { name, scope: granted }) => {
    checkName("name", name)
    const addedBy = ctx.device === null ? {} : { addedBy: ctx.device.deviceId }
    const { code, expiresAt } = await addCode(ctx, { ownerId: ctx.operator, name, scope: granted, ...addedBy })
    await auditOperator(ctx, { action: "addDevice", ownerId: ctx.operator, detail: `${granted}: ${name}` })
    return { code, expiresAt }
  }
})

/**
 * Makes the caller a device of the operator who created `code`, with this P-256 public key. Returns its id, name and scope.
 * The same code with the same key returns the same device. Fails with `NotFound`, `Expired`, `Revoked` if the device that
 * created the code was revoked, or `Conflict` if another device has used the code.
 */
export const claim = anonymousMutation({
  args: { code: v.string(), publicKey },
  handler: async (ctx, args) => {
    checkText("code", args.code, MAX_NAME)
    checkPublicKey(args.publicKey)
    const device = await claimCode(ctx, args.code, args.publicKey)
    return { deviceId: device._id, name: device.name, scope: device.scope }
  }
})

/** Your devices: active before revoked ones, the newest first. `lastSeenAt` to within 10 minutes; times in milliseconds. */
export const list = operatorQuery({
  args: {},
  handler: async (ctx) => {
    const newest = (isRevoked: boolean) =>
      ctx.db
        .query("devices")
        .withIndex("by_owner_revoked", (q) =>
          isRevoked
            ? q.eq("ownerId", ctx.operator).gt("revokedAt", 0)
            : q.eq("ownerId", ctx.operator).eq("revokedAt", undefined)
        )
        .order("desc")
        .take(MAX_DEVICES)
    const devices = [...(await newest(false)), ...(await newest(true))]
    return Promise.all(
      devices.map(async ({ _creationTime, _id, name, revokedAt, scope: granted }) => ({
        deviceId: _id,
        name,
        scope: granted,
        isCurrent: ctx.device?.deviceId === _id,
        createdAt: _creationTime,
        lastSeenAt: await lastSeenAt(ctx, _id),
        revokedAt: revokedAt ?? null
      }))
    )
  }
})

const revokeAndAudit = async (ctx: MutationCtx & OperatorCaller, device: Doc<"devices">): Promise<void> => {
  if (!(await revokeDevice(ctx, device))) return
  await auditOperator(ctx, { action: "revokeDevice", ownerId: ctx.operator, detail: `${device.scope}: ${device.name}` })
}

/** Revokes a device: its next call is rejected, and its subscriptions end. Idempotent. */
export const revoke = stoppingMutation({
  args: { deviceId: v.id("devices") },
  handler: async (ctx, { deviceId }) => {
    const device = await ctx.db.get(deviceId)
    if (device?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such device")
    await revokeAndAudit(ctx, device)
    return null
  }
})

/** Revokes the calling device. Has no effect for an identity of a login provider. */
export const leave = readerMutation({
  args: {},
  handler: async (ctx) => {
    const device = ctx.device === null ? null : await ctx.db.get(ctx.device.deviceId)
    if (device !== null) await revokeAndAudit(ctx, device)
    return null
  }
})

/** Renames a device. */
export const rename = operatorMutation({
  args: { deviceId: v.id("devices"), name: v.string() },
  handler: async (ctx, { deviceId, name }) => {
    checkName("name", name)
    const device = await ctx.db.get(deviceId)
    if (device?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such device")
    if (device.name !== name) await ctx.db.patch(deviceId, { name })
    return null
  }
})

/** A page of the security audit of your devices, the newest entry first. Entries are kept for a year. */
export const audit = operatorQuery({
  args: { paginationOpts: paginationOptsValidator },
  handler: async (ctx, { paginationOpts }) => {
    const result = await ctx.db
      .query("audit")
      .withIndex("by_owner", (q) => q.eq("ownerId", ctx.operator))
      .order("desc")
      .paginate({ ...paginationOpts, numItems: clamp(paginationOpts.numItems, MAX_SMALL_PAGE) })
    return { ...result, page: result.page.map(toAuditView) }
  }
})

/** For actions, which have no database. */
export const authorize = internalQuery({
  args: { scope },
  handler: (ctx, args): Promise<OperatorCaller> => operatorOf(ctx, args.scope)
})

const administered = { name: v.string(), ownerId: v.optional(v.string()), scope: v.optional(scope) }

/**
 * A code for the first device of a deployment without a login provider, run by its administrator:
 * `npx convex run devices:invite '{"name": "laptop"}'`. Later devices are added by this one. `ownerId`: the owner of the rows.
 */
export const invite = internalMutation({
  args: administered,
  handler: async (ctx, args): Promise<{ readonly code: string; readonly expiresAt: number }> => {
    checkName("name", args.name)
    return addCode(ctx, { name: args.name, scope: args.scope ?? "operate", ownerId: args.ownerId ?? LOCAL_OWNER })
  }
})

/** As `invite` and `claim` in one call, for the program that serves an embedded deployment. Idempotent by key. */
export const enroll = internalMutation({
  args: { ...administered, publicKey },
  handler: async (ctx, args): Promise<Id<"devices">> => {
    checkName("name", args.name)
    checkPublicKey(args.publicKey)
    const { name, ownerId = LOCAL_OWNER, scope: granted = "operate" } = args
    return enrollDevice(ctx, { name, ownerId, scope: granted, publicKey: args.publicKey })
  }
})

/** Revokes a device, for the program that serves an embedded deployment. */
export const expel = internalMutation({
  args: { deviceId: v.string() },
  handler: async (ctx, args): Promise<null> => {
    const deviceId = ctx.db.normalizeId("devices", args.deviceId)
    const device = deviceId === null ? null : await ctx.db.get(deviceId)
    if (device !== null) await revokeAndAudit({ ...ctx, operator: device.ownerId, device: null }, device)
    return null
  }
})

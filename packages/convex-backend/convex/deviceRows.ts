/** Rows of devices and of the codes by which devices join. */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import type { PublicKey } from "./deviceTokens.ts"
import { appError } from "./errors.ts"
import { DEVICE_CODE_LIFETIME, MAX_DEVICE_CODES, MAX_DEVICES } from "./limits.ts"
import { deleteTargets } from "./notifyTargets.ts"
import { hashSecret, makeLongCode, readCode, showCode } from "./secrets.ts"

/** The owner of the rows of a deployment without a login provider. */
export const LOCAL_OWNER = "https://operator.opencode-worker.local|local-operator"

type Invitation = Pick<Doc<"deviceCodes">, "ownerId" | "name" | "scope" | "addedBy">

/** Creates a code. Deletes the unused ones of the same owner that have expired. */
export const addCode = async (ctx: MutationCtx, invitation: Invitation) => {
  const active = await ctx.db
    .query("devices")
    .withIndex("by_owner_revoked", (q) => q.eq("ownerId", invitation.ownerId).eq("revokedAt", undefined))
    .take(MAX_DEVICES)
  const now = Date.now()
  const unused = await ctx.db
    .query("deviceCodes")
    .withIndex("by_owner_device", (q) => q.eq("ownerId", invitation.ownerId).eq("deviceId", undefined))
    .take(MAX_DEVICE_CODES)
  const expired = unused.filter(({ expiresAt }) => expiresAt <= now)
  for (const { _id } of expired) await ctx.db.delete(_id)
  const open = unused.length - expired.length
  if (active.length + open >= MAX_DEVICES) {
    const waiting = open === 0 ? "" : ` and ${open} unused codes`
    throw appError("RateLimited", `You have ${active.length} devices${waiting}: revoke one that you no longer use`)
  }
  if (open === MAX_DEVICE_CODES) {
    throw appError("RateLimited", `${MAX_DEVICE_CODES} codes wait for their devices: try again in 5 minutes`)
  }
  const code = makeLongCode()
  const expiresAt = now + DEVICE_CODE_LIFETIME
  await ctx.db.insert("deviceCodes", { ...invitation, codeHash: await hashSecret(code), expiresAt })
  return { code: showCode(code), expiresAt }
}

const sameKey = (one: PublicKey, other: PublicKey): boolean => one.x === other.x && one.y === other.y

type NewDevice = Pick<Doc<"devices">, "name" | "ownerId" | "publicKey" | "scope">

const insertDevice = async (ctx: MutationCtx, device: NewDevice): Promise<Id<"devices">> => {
  const { name, ownerId, scope } = device
  const deviceId = await ctx.db.insert("devices", device)
  await ctx.db.insert("deviceUses", { deviceId, lastSeenAt: Date.now() })
  const detail = `${scope}: ${name}`
  await ctx.db.insert("audit", { actorId: ownerId, device: { deviceId, name }, action: "claimDevice", ownerId, detail })
  return deviceId
}

/** The active device with this key, which is created if there is none. */
export const enrollDevice = async (ctx: MutationCtx, device: NewDevice): Promise<Id<"devices">> => {
  const active = await ctx.db
    .query("devices")
    .withIndex("by_owner_revoked", (q) => q.eq("ownerId", device.ownerId).eq("revokedAt", undefined))
    .take(MAX_DEVICES)
  const same = active.find(({ publicKey }) => sameKey(publicKey, device.publicKey))
  return same?._id ?? insertDevice(ctx, device)
}

/** The device of a code. The first claim creates it. */
export const claimCode = async (ctx: MutationCtx, typed: string, publicKey: PublicKey): Promise<Doc<"devices">> => {
  const codeHash = await hashSecret(readCode(typed))
  const code = await ctx.db
    .query("deviceCodes")
    .withIndex("by_hash", (q) => q.eq("codeHash", codeHash))
    .unique()
  if (code === null) throw appError("NotFound", "No device is awaited with this code: create another one")
  if (code.deviceId !== undefined) {
    const device = await ctx.db.get(code.deviceId)
    if (device !== null && sameKey(device.publicKey, publicKey)) return device
    throw appError("Conflict", "Another device has used this code: revoke that device unless it is yours")
  }
  if (code.expiresAt <= Date.now()) throw appError("Expired", "This code is older than 5 minutes: create another one")
  const { addedBy, name, ownerId, scope } = code
  const inviter = addedBy === undefined ? undefined : await ctx.db.get(addedBy)
  if (inviter === null || inviter?.revokedAt !== undefined) {
    throw appError("Revoked", "The device that created this code was revoked: create another one")
  }
  const deviceId = await insertDevice(ctx, { name, ownerId, scope, publicKey })
  await ctx.db.patch(code._id, { deviceId })
  const device = await ctx.db.get(deviceId)
  if (device === null) throw new Error("The device that was inserted does not exist")
  return device
}

const useOf = (ctx: QueryCtx, deviceId: Id<"devices">): Promise<Doc<"deviceUses"> | null> =>
  ctx.db
    .query("deviceUses")
    .withIndex("by_device", (q) => q.eq("deviceId", deviceId))
    .unique()

/** Milliseconds, to within `DEVICE_SEEN_INTERVAL`. */
export const lastSeenAt = async (ctx: QueryCtx, deviceId: Id<"devices">): Promise<number> =>
  (await useOf(ctx, deviceId))?.lastSeenAt ?? 0

export const markSeen = async (ctx: MutationCtx, deviceId: Id<"devices">): Promise<null> => {
  const use = await useOf(ctx, deviceId)
  if (use !== null) await ctx.db.patch(use._id, { lastSeenAt: Date.now() })
  return null
}

/** Revokes a device, and deletes the oldest revoked ones above the limit. Returns whether it was active. */
export const revokeDevice = async (ctx: MutationCtx, { _id, ownerId, revokedAt }: Doc<"devices">): Promise<boolean> => {
  if (revokedAt !== undefined) return false
  const revoked = await ctx.db
    .query("devices")
    .withIndex("by_owner_revoked", (q) => q.eq("ownerId", ownerId).gt("revokedAt", 0))
    .take(MAX_DEVICES)
  const [oldest] = revoked
  if (oldest !== undefined && revoked.length === MAX_DEVICES) {
    const use = await useOf(ctx, oldest._id)
    if (use !== null) await ctx.db.delete(use._id)
    await ctx.db.delete(oldest._id)
  }
  await deleteTargets(ctx, _id)
  await ctx.db.patch(_id, { revokedAt: Date.now() })
  return true
}

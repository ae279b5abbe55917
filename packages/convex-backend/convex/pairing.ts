/**
 * How a worker becomes somebody's: it makes a secret, shows a code, and the person who types the code owns it.
 *
 * ```
 *   worker: begin(hash of its secret) ─▶ code ─▶ person: approve(code)
 *   worker: status(secret), subscribed ◀─────────── workerId
 * ```
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import { internalMutation, type QueryCtx } from "./_generated/server.ts"
import { anonymousMutation, anonymousQuery, operatorMutation } from "./builders.ts"
import { refusal } from "./errors.ts"
import { checkText, MAX_NAME, MAX_PENDING_PAIRINGS, PAIRING_LIFETIME, PAIRING_MINIMUM } from "./limits.ts"
import { hashSecret, makeCode, readCode, showCode } from "./secrets.ts"

const byCode = (ctx: QueryCtx, code: string) =>
  ctx.db
    .query("pairings")
    .withIndex("by_code", (q) => q.eq("code", code))
    .first()

/** Starts a pairing. The secret stays with the worker; only its hash comes here. */
export const begin = anonymousMutation({
  args: { machine: v.string(), directory: v.string(), secretHash: v.string() },
  handler: async (ctx, { machine, directory, secretHash }) => {
    checkText("machine", machine, MAX_NAME)
    checkText("directory", directory, MAX_NAME)
    if (!/^[0-9a-f]{64}$/.test(secretHash)) {
      throw refusal("InvalidArgument", "secretHash is not a SHA-256 in 64 hexadecimal digits")
    }
    const pending = await ctx.db
      .query("pairings")
      .withIndex("by_status", (q) => q.eq("status", "pending"))
      .take(MAX_PENDING_PAIRINGS)
    const [oldest] = pending
    if (oldest !== undefined && pending.length === MAX_PENDING_PAIRINGS) {
      // Strangers who fill the table keep people from pairing no longer than they go on: 200 a minute is the limit.
      if (oldest._creationTime > Date.now() - PAIRING_MINIMUM) {
        throw refusal("RateLimited", "Too many workers wait for approval: try again in a minute")
      }
      await ctx.db.patch(oldest._id, { status: "expired" })
    }
    let code = makeCode()
    while ((await byCode(ctx, code)) !== null) code = makeCode()
    const expiresAt = Date.now() + PAIRING_LIFETIME
    const pairingId = await ctx.db.insert("pairings", {
      code,
      machine,
      directory,
      secretHash,
      status: "pending",
      expiresAt
    })
    await ctx.scheduler.runAt(expiresAt, internal.pairing.expire, { pairingId })
    return { pairingId, code: showCode(code), expiresAt }
  }
})

/** What became of a pairing, for the worker that began it and knows its secret. */
export const status = anonymousQuery({
  args: { pairingId: v.id("pairings"), secret: v.string() },
  handler: async (ctx, { pairingId, secret }) => {
    const pairing = await ctx.db.get(pairingId)
    if (pairing === null || pairing.secretHash !== (await hashSecret(secret))) {
      throw refusal("NotFound", "There is no such pairing with this secret")
    }
    return { status: pairing.status, workerId: pairing.workerId ?? null }
  }
})

/** Makes the worker that shows `code` yours. Doing so twice gives the same worker. */
export const approve = operatorMutation({
  args: { code: v.string() },
  handler: async (ctx, { code }) => {
    checkText("code", code, MAX_NAME)
    const pairing = await byCode(ctx, readCode(code))
    if (pairing?.workerId !== undefined) {
      const worker = await ctx.db.get(pairing.workerId)
      if (worker?.ownerId === ctx.operator) return worker._id
    }
    if (pairing === null || pairing.status === "approved") {
      throw refusal("NotFound", "No worker shows this code: compare it with the worker's terminal")
    }
    if (pairing.status === "expired" || pairing.expiresAt <= Date.now()) {
      throw refusal("Expired", "This code is older than 10 minutes: start the worker's pairing again")
    }
    const { machine, directory, secretHash } = pairing
    const workerId = await ctx.db.insert("workers", {
      ownerId: ctx.operator,
      machine,
      directory,
      secretHash,
      approval: "approved",
      epoch: 0
    })
    await ctx.db.insert("presence", { workerId, phase: "paired", online: false })
    await ctx.db.insert("audit", { actorId: ctx.operator, action: "approve", workerId })
    await ctx.db.patch(pairing._id, { status: "approved", workerId })
    return workerId
  }
})

/** Runs when a code's time is over, so that a waiting worker hears of it without asking. */
export const expire = internalMutation({
  args: { pairingId: v.id("pairings") },
  handler: async (ctx, { pairingId }): Promise<null> => {
    const pairing = await ctx.db.get(pairingId)
    if (pairing?.status === "pending") await ctx.db.patch(pairingId, { status: "expired" })
    return null
  }
})

/**
 * How a worker becomes somebody's: it makes a secret, shows a code, and the person who types the code owns it.
 *
 * ```
 *   worker: begin(hash of its secret) ─▶ code ─▶ person: approve(code)
 *   worker: status(secret), subscribed ◀─────────── workerId
 *   worker: rotate(hash of its next secret), signed with the one that it has
 * ```
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { anonymousMutation, anonymousQuery, operatorAction, workerMutation } from "./builders.ts"
import { type Refusal, refusal } from "./errors.ts"
import {
  checkText,
  MAX_NAME,
  MAX_PENDING_PAIRINGS,
  MAX_WRONG_CODES,
  PAIRING_LIFETIME,
  PAIRING_MINIMUM,
  WRONG_CODES_WINDOW
} from "./limits.ts"
import { hashSecret, makeCode, readCode, showCode } from "./secrets.ts"

const byCode = (ctx: QueryCtx, code: string) =>
  ctx.db
    .query("pairings")
    .withIndex("by_code", (q) => q.eq("code", code))
    .first()

const checkHash = (secretHash: string): void => {
  if (!/^[0-9a-f]{64}$/.test(secretHash)) {
    throw refusal("InvalidArgument", "secretHash is not a SHA-256 in 64 hexadecimal digits")
  }
}

/** Starts a pairing. The secret stays with the worker; only its hash comes here. */
export const begin = anonymousMutation({
  args: { machine: v.string(), directory: v.string(), secretHash: v.string() },
  handler: async (ctx, { machine, directory, secretHash }) => {
    checkText("machine", machine, MAX_NAME)
    checkText("directory", directory, MAX_NAME)
    checkHash(secretHash)
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

/**
 * Makes the worker that shows `code` yours. Doing so twice gives the same worker. Who gives 10 wrong codes is refused for
 * 10 minutes from the first of them, right codes too: else a guess would be free as long as it is wrong.
 *
 * An action, because a mutation that refuses would take back that it counted.
 */
export const approve = operatorAction({
  args: { code: v.string() },
  handler: async (ctx, { code }): Promise<Id<"workers">> => {
    checkText("code", code, MAX_NAME)
    const answer = await ctx.runMutation(internal.pairing.tryCode, { operator: ctx.operator, code })
    if ("workerId" in answer) return answer.workerId
    throw refusal(answer.code, answer.message)
  }
})

const approvePairing = async (
  ctx: MutationCtx,
  operator: string,
  code: string
): Promise<{ readonly workerId: Id<"workers"> } | Refusal> => {
  const pairing = await byCode(ctx, readCode(code))
  if (pairing?.workerId !== undefined) {
    const worker = await ctx.db.get(pairing.workerId)
    if (worker?.ownerId === operator) return { workerId: worker._id }
  }
  if (pairing === null || pairing.status === "approved") {
    return { code: "NotFound", message: "No worker shows this code: compare it with the worker's terminal" }
  }
  if (pairing.status === "expired" || pairing.expiresAt <= Date.now()) {
    return { code: "Expired", message: "This code is older than 10 minutes: start the worker's pairing again" }
  }
  const { machine, directory, secretHash } = pairing
  const workerId = await ctx.db.insert("workers", {
    ownerId: operator,
    machine,
    directory,
    secretHash,
    approval: "approved",
    epoch: 0
  })
  await ctx.db.insert("presence", { workerId, phase: "paired", online: false })
  await ctx.db.insert("audit", { actorId: operator, action: "approve", workerId })
  await ctx.db.patch(pairing._id, { status: "approved", workerId })
  return { workerId }
}

/** Approves, or counts the code as wrong: what it writes stays, whatever it answers. */
export const tryCode = internalMutation({
  args: { operator: v.string(), code: v.string() },
  handler: async (ctx, { operator, code }): Promise<{ readonly workerId: Id<"workers"> } | Refusal> => {
    const counted = await ctx.db
      .query("wrongCodes")
      .withIndex("by_operator", (q) => q.eq("operatorId", operator))
      .unique()
    const left = counted === null ? 0 : counted.since + WRONG_CODES_WINDOW - Date.now()
    if (counted !== null && left > 0 && counted.count >= MAX_WRONG_CODES) {
      const minutes = Math.ceil(left / 60_000)
      return { code: "RateLimited", message: `${MAX_WRONG_CODES} codes were wrong: try again in ${minutes} min` }
    }
    const answer = await approvePairing(ctx, operator, code)
    if ("workerId" in answer) return answer
    if (counted !== null && left > 0) {
      await ctx.db.patch(counted._id, { count: counted.count + 1 })
    } else {
      if (counted !== null) await ctx.db.delete(counted._id)
      await ctx.db.insert("wrongCodes", { operatorId: operator, since: Date.now(), count: 1 })
    }
    return answer
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

/**
 * Gives the worker another secret, of which only the hash comes here. From then on the old one is refused, on open
 * subscriptions, too: sign every call with the new one, and subscribe again; the lease goes on.
 *
 * Store both before you call, and forget the old one when the answer is there. Where no answer came, call again, signed
 * with the new one: that changes nothing more where it counts already, and is refused with `WrongSecret` where it does not.
 */
export const rotate = workerMutation({
  args: { secretHash: v.string() },
  handler: async (ctx, { secretHash }) => {
    checkHash(secretHash)
    const { _id: workerId } = ctx.worker
    if (ctx.worker.secretHash === secretHash) return null
    await ctx.db.patch(workerId, { secretHash })
    await ctx.db.insert("audit", { actorId: workerId, action: "rotate", workerId })
    return null
  }
})

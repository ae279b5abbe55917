/**
 * The lease: at most one process writes as a worker.
 *
 * ```
 *   acquire ──▶ held ── heartbeat within 25 s ──▶ held
 *                │ release: at once     │ 25 s of silence
 *                ▼                      ▼
 *              free, offline          free, offline; the epoch still stands until somebody acquires
 * ```
 *
 * The epoch, not the time, is what protects: a process that slept through its lease can go on if nobody took over, and
 * is `Fenced` if somebody did. `acquire` and `release` both raise it.
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type QueryCtx } from "./_generated/server.ts"
import { unleasedWorkerMutation, workerMutation } from "./builders.ts"
import { refusal } from "./errors.ts"
import { checkName, LEASE_LIFETIME } from "./limits.ts"
import { setPresence } from "./presence.ts"

/** Null: no process of the worker has ever taken it. */
export const leaseOf = (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"leases"> | null> =>
  ctx.db
    .query("leases")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()

/** Takes the lease, unless another process holds it. The same process may take it again. */
export const acquire = unleasedWorkerMutation({
  args: { processId: v.string() },
  handler: async (ctx, { processId }) => {
    checkName("processId", processId)
    const workerId = ctx.worker._id
    const now = Date.now()
    const lease = await leaseOf(ctx, workerId)
    if (lease !== null && lease.expiresAt > now && lease.processId !== processId) {
      const until = new Date(lease.expiresAt).toISOString()
      throw refusal("Conflict", `Another process runs this worker; its lease ends at ${until} unless it is renewed`)
    }
    const epoch = ctx.worker.epoch + 1
    const leaseExpiresAt = now + LEASE_LIFETIME
    await ctx.db.patch(workerId, { epoch })
    if (lease === null) await ctx.db.insert("leases", { workerId, processId, expiresAt: leaseExpiresAt })
    else await ctx.db.patch(lease._id, { processId, expiresAt: leaseExpiresAt })
    await setPresence(ctx, workerId, { phase: "connecting", online: true })
    await ctx.scheduler.runAt(leaseExpiresAt, internal.lease.expire, { workerId, epoch })
    return { epoch, leaseExpiresAt, serverTime: now }
  }
})

/** Holds the lease for 25 s more, and says what the worker is doing. */
export const heartbeat = workerMutation({
  args: { phase: v.string() },
  handler: async (ctx, { phase }) => {
    checkName("phase", phase)
    const { _id: workerId, epoch } = ctx.worker
    const now = Date.now()
    const leaseExpiresAt = now + LEASE_LIFETIME
    const lease = await leaseOf(ctx, workerId)
    if (lease === null) throw refusal("Fenced", "There is no lease to hold: acquire it")
    await ctx.db.patch(lease._id, { expiresAt: leaseExpiresAt })
    const before = await setPresence(ctx, workerId, { phase, online: true })
    // Who was marked offline has nobody watching its lease any more.
    if (!before.online) await ctx.scheduler.runAt(leaseExpiresAt, internal.lease.expire, { workerId, epoch })
    return { leaseExpiresAt, serverTime: now }
  }
})

/** Gives the lease back, so that the next process need not wait. Nothing can be written under it afterwards. */
export const release = workerMutation({
  args: {},
  handler: async (ctx) => {
    const { _id: workerId, epoch } = ctx.worker
    const lease = await leaseOf(ctx, workerId)
    if (lease !== null) await ctx.db.patch(lease._id, { expiresAt: Date.now() })
    await ctx.db.patch(workerId, { epoch: epoch + 1 })
    await setPresence(ctx, workerId, { phase: "stopped", online: false })
    return null
  }
})

/**
 * Marks a worker offline when its lease ran out. There is one such watcher for the current epoch while the worker is
 * online: it follows the lease by scheduling itself again, and one of an older epoch ends.
 */
export const expire = internalMutation({
  args: { workerId: v.id("workers"), epoch: v.number() },
  handler: async (ctx, { workerId, epoch }): Promise<null> => {
    const worker = await ctx.db.get(workerId)
    const lease = await leaseOf(ctx, workerId)
    if (worker === null || worker.epoch !== epoch || lease === null) return null
    if (lease.expiresAt > Date.now()) {
      await ctx.scheduler.runAt(lease.expiresAt, internal.lease.expire, { workerId, epoch })
    } else {
      await setPresence(ctx, workerId, { online: false })
    }
    return null
  }
})

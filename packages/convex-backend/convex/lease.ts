/**
 * The lease: at most one process at a time writes as a worker.
 *
 * ```
 *   acquire ──▶ held ── heartbeat within 25 s ──▶ held
 *                │ release: at once     │ 25 s of silence
 *                ▼                      ▼
 *              free, offline          free, offline; the epoch is valid until the next acquire
 * ```
 *
 * The epoch protects, not the time: a process whose lease expired while it slept can continue if no other process has
 * acquired it, and is `Fenced` otherwise. `acquire` and `release` both increment the epoch.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type QueryCtx } from "./_generated/server.ts"
import { unleasedWorkerMutation, workerMutation } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkName, LEASE_LIFETIME } from "./limits.ts"
import { setPresence } from "./presence.ts"
import { incompatibility } from "./protocol.ts"
import { recountLoad } from "./workerLoad.ts"

/** No worker has it: a process that was refused cannot write. */
const NO_EPOCH = -1

/** Null if no process of the worker has ever acquired it. */
export const leaseOf = (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"leases"> | null> =>
  ctx.db
    .query("leases")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()

/**
 * Acquires the lease for `processId`, which may acquire it again. Returns the new `epoch`, and `leaseExpiresAt` and
 * `serverTime` in milliseconds of the server's clock. Fails with `Conflict` while another process holds it. `protocol`: of
 * the worker; if the deployment cannot serve it, `refused` has the error and no lease is held. It is not thrown, so that
 * operators see it in the list.
 */
export const acquire = unleasedWorkerMutation({
  args: { processId: v.string(), protocol: v.optional(v.string()) },
  handler: async (ctx, { processId, protocol }) => {
    checkName("processId", processId)
    if (protocol !== undefined) checkName("protocol", protocol)
    const workerId = ctx.worker._id
    const now = Date.now()
    const lease = await leaseOf(ctx, workerId)
    if (lease !== null && lease.expiresAt > now && lease.processId !== processId) {
      const until = new Date(lease.expiresAt).toISOString()
      throw appError("Conflict", `Another process runs this worker; its lease ends at ${until} unless it is renewed`)
    }
    const refused = incompatibility(protocol)
    if (refused !== null) {
      const { message: advice } = refused
      await setPresence(ctx, workerId, { phase: "incompatible", online: false, lastSeenAt: now, advice })
      return { epoch: NO_EPOCH, leaseExpiresAt: now, serverTime: now, refused }
    }
    const epoch = ctx.worker.epoch + 1
    const leaseExpiresAt = now + LEASE_LIFETIME
    await ctx.db.patch(workerId, { epoch, protocol })
    await recountLoad(ctx, workerId)
    if (lease === null) await ctx.db.insert("leases", { workerId, processId, expiresAt: leaseExpiresAt })
    else await ctx.db.patch(lease._id, { processId, expiresAt: leaseExpiresAt })
    await setPresence(ctx, workerId, { phase: "connecting", online: true })
    await ctx.scheduler.runAt(leaseExpiresAt, internal.lease.expire, { workerId, epoch })
    return { epoch, leaseExpiresAt, serverTime: now, refused: null }
  }
})

/** Extends the lease to 25 s from now, and stores the `phase` of the worker. Returns times as `acquire`. */
export const heartbeat = workerMutation({
  args: { phase: v.string() },
  handler: async (ctx, { phase }) => {
    checkName("phase", phase)
    const { _id: workerId, epoch } = ctx.worker
    const now = Date.now()
    const leaseExpiresAt = now + LEASE_LIFETIME
    const lease = await leaseOf(ctx, workerId)
    if (lease === null) throw appError("Fenced", "There is no lease to extend: acquire it")
    await ctx.db.patch(lease._id, { expiresAt: leaseExpiresAt })
    const before = await setPresence(ctx, workerId, { phase, online: true })
    // `expire` has ended for a worker that was marked offline, so it is scheduled again.
    if (!before.online) await ctx.scheduler.runAt(leaseExpiresAt, internal.lease.expire, { workerId, epoch })
    return { leaseExpiresAt, serverTime: now }
  }
})

/** Ends the lease, so that the next process need not wait for its expiry. Later writes with this epoch are rejected. */
export const release = workerMutation({
  args: {},
  handler: async (ctx) => {
    const { _id: workerId, epoch } = ctx.worker
    const lease = await leaseOf(ctx, workerId)
    if (lease !== null) await ctx.db.patch(lease._id, { expiresAt: Date.now() })
    await ctx.db.patch(workerId, { epoch: epoch + 1 })
    await setPresence(ctx, workerId, { phase: "stopped", online: false, lastSeenAt: Date.now() })
    return null
  }
})

/**
 * Marks a worker offline when its lease has expired. While the worker is online, one run is scheduled for the current
 * epoch; it reschedules itself when the lease was extended, and ends when the epoch has changed.
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
      await setPresence(ctx, workerId, { online: false, lastSeenAt: lease.expiresAt - LEASE_LIFETIME })
    }
    return null
  }
})

/**
 * The workers of an operator: list, audit, revocation and commands.
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Id } from "./_generated/dataModel.ts"
import { auditOperator, toAuditView } from "./audit.ts"
import { operatorMutation, operatorQuery, stoppingMutation, workerMutation } from "./builders.ts"
import { enqueueCommand, findCommand } from "./commands.ts"
import { appError } from "./errors.ts"
import { checkName, clamp, MAX_SMALL_PAGE } from "./limits.ts"
import { ownedWorker, usableWorker } from "./authorize.ts"
import { presenceOf, setPresence } from "./presence.ts"
import { incompatibility } from "./protocol.ts"
import { workerInfo } from "./validators.ts"
import { loadOf } from "./workerLoad.ts"
import { endWorkOf } from "./abandonedTurns.ts"
import { deleteApprovalsOf } from "./approvals.ts"

/**
 * Lists your workers, at most 100: approved before revoked ones, the newest first. `lastSeenAt`: of an offline worker, in
 * milliseconds. `advice`: what to update, if the releases of worker and deployment are too far apart. `info`: as the worker
 * reported it last, or null. `running` and `queued`: turns. Heartbeats do not run the query again; changes do.
 */
export const list = operatorQuery({
  args: {},
  handler: async (ctx) => {
    const newest = (approval: "approved" | "revoked") =>
      ctx.db
        .query("workers")
        .withIndex("by_owner_approval", (q) => q.eq("ownerId", ctx.operator).eq("approval", approval))
        .order("desc")
        .take(MAX_SMALL_PAGE)
    const workers = [...(await newest("approved")), ...(await newest("revoked"))]
    return Promise.all(
      workers.slice(0, MAX_SMALL_PAGE).map(async ({ _id, machine, directory, approval, protocol }) => {
        const { advice, info, lastSeenAt, online, phase } = await presenceOf(ctx, _id)
        return {
          workerId: _id,
          machine,
          directory,
          approval,
          phase,
          online,
          lastSeenAt: lastSeenAt ?? null,
          advice: advice ?? incompatibility(protocol)?.message ?? null,
          info: info ?? null,
          ...(await loadOf(ctx, _id))
        }
      })
    )
  }
})

/** Stores what a worker reports of itself and its machine, if it has changed. The worker calls this when it has. */
export const report = workerMutation({
  args: { info: workerInfo },
  handler: async (ctx, { info }) => {
    checkName("info.version", info.version)
    checkName("info.permissions", info.permissions)
    checkName("info.opencode.state", info.opencode.state)
    if (info.opencode.version !== null) checkName("info.opencode.version", info.opencode.version)
    if (info.branch !== null) checkName("info.branch", info.branch)
    const presence = await presenceOf(ctx, ctx.worker._id)
    if (JSON.stringify(presence.info) !== JSON.stringify(info)) await ctx.db.patch(presence._id, { info })
    return null
  }
})

/**
 * Revokes the approval of a worker: its next call is rejected, and its subscriptions end. Its running turns become
 * `interrupted` and keep their streamed text; its queued turns and commands fail. Sessions that it was to delete are
 * deleted here, and so are approvals of its later requests. Idempotent.
 */
export const revoke = stoppingMutation({
  args: { workerId: v.id("workers") },
  handler: async (ctx, { workerId }) => {
    const worker = await ownedWorker(ctx, workerId)
    if (worker.approval === "revoked") return null
    await ctx.db.patch(workerId, { approval: "revoked" })
    await setPresence(ctx, workerId, { phase: "revoked", online: false, lastSeenAt: Date.now() })
    await auditOperator(ctx, { action: "revoke", workerId })
    await endWorkOf(ctx, workerId)
    await deleteApprovalsOf(ctx, ctx.operator, workerId)
    return null
  }
})

/**
 * A page of the security audit of one of your workers, the newest entry first: approval, revocation, rotation of its
 * secret, answers to its permission requests. `device`: which one the operator used; null with a login provider. `createdAt` in
 * milliseconds. Entries are kept for a year.
 */
export const audit = operatorQuery({
  args: { workerId: v.id("workers"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { workerId, paginationOpts }) => {
    await ownedWorker(ctx, workerId)
    const result = await ctx.db
      .query("audit")
      .withIndex("by_worker", (q) => q.eq("workerId", workerId))
      .order("desc")
      .paginate({ ...paginationOpts, numItems: clamp(paginationOpts.numItems, MAX_SMALL_PAGE) })
    return { ...result, page: result.page.map(toAuditView) }
  }
})

/** A command to the process of a worker, which must be online: a later process does not execute it. Returns its id. */
const tell = (kind: "pause" | "resume" | "drain" | "refreshModels") =>
  operatorMutation({
    args: { workerId: v.id("workers"), idempotencyKey: v.string() },
    handler: async (ctx, { workerId, idempotencyKey }): Promise<Id<"commands">> => {
      await usableWorker(ctx, workerId)
      const existing = await findCommand(ctx, idempotencyKey, { kind }, workerId)
      if (existing !== null) return existing
      if (!(await presenceOf(ctx, workerId)).online) {
        throw appError("Conflict", "This worker is offline: start it first")
      }
      return enqueueCommand(ctx, workerId, { kind }, idempotencyKey)
    }
  })

/** The worker claims no further turns; running turns continue. */
export const pause = tell("pause")
/** The worker claims turns again. */
export const resume = tell("resume")
/** The worker stops after its running turns have ended. */
export const drain = tell("drain")
/** The worker fetches its models from OpenCode again. */
export const refreshModels = tell("refreshModels")

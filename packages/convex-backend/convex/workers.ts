/**
 * What an operator sees of their workers, tells them, and how they take one's approval back.
 *
 * @since 0.1.0
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Id } from "./_generated/dataModel.ts"
import { operatorMutation, operatorQuery } from "./builders.ts"
import { issue } from "./commands.ts"
import { refusal } from "./errors.ts"
import { bounded, MAX_SMALL_PAGE } from "./limits.ts"
import { ownedWorker, usableWorker } from "./owned.ts"
import { presenceOf, setPresence } from "./presence.ts"
import { endWorkOf } from "./revocation.ts"

/**
 * Your workers, at most 100: those that are approved before those that were revoked, and of each the newest first. A
 * heartbeat does not run it again; a change of phase does.
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
      workers.slice(0, MAX_SMALL_PAGE).map(async ({ _id, machine, directory, approval }) => {
        const presence = await presenceOf(ctx, _id)
        return { workerId: _id, machine, directory, approval, phase: presence.phase, online: presence.online }
      })
    )
  }
})

/**
 * Takes approval back, at once: the worker's next call is refused, and its subscriptions end. What it runs is
 * `interrupted` by that and keeps the text that was streamed; what waits for it fails, and what was to be deleted is gone here.
 */
export const revoke = operatorMutation({
  args: { workerId: v.id("workers") },
  handler: async (ctx, { workerId }) => {
    const worker = await ownedWorker(ctx, workerId)
    if (worker.approval === "revoked") return null
    await ctx.db.patch(workerId, { approval: "revoked" })
    await setPresence(ctx, workerId, { phase: "revoked", online: false })
    await ctx.db.insert("audit", { actorId: ctx.operator, action: "revoke", workerId })
    await endWorkOf(ctx, workerId)
    return null
  }
})

/**
 * A page of what was done with one of your workers and matters to its security, the newest first: it was approved or
 * revoked, got another secret, or a permission that it asked for was answered. Kept for a year.
 */
export const audit = operatorQuery({
  args: { workerId: v.id("workers"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { workerId, paginationOpts }) => {
    await ownedWorker(ctx, workerId)
    const result = await ctx.db
      .query("audit")
      .withIndex("by_worker", (q) => q.eq("workerId", workerId))
      .order("desc")
      .paginate({ ...paginationOpts, numItems: bounded(paginationOpts.numItems, MAX_SMALL_PAGE) })
    const page = result.page.map(({ _creationTime, action, actorId, detail }) => ({
      action,
      actorId,
      detail: detail ?? null,
      createdAt: _creationTime
    }))
    return { ...result, page }
  }
})

/** Tells a worker's process something. It must be online: what was said to a process that is gone is not for the next. */
const tell = (kind: "pause" | "resume" | "drain" | "refreshModels") =>
  operatorMutation({
    args: { workerId: v.id("workers"), idempotencyKey: v.string() },
    handler: async (ctx, { workerId, idempotencyKey }): Promise<Id<"commands">> => {
      await usableWorker(ctx, workerId)
      if (!(await presenceOf(ctx, workerId)).online) {
        throw refusal("Conflict", "This worker is offline: start it first")
      }
      return issue(ctx, workerId, { kind }, idempotencyKey)
    }
  })

/** The worker takes no more turns; what runs goes on. Gives the command. */
export const pause = tell("pause")
/** The worker takes turns again. Gives the command. */
export const resume = tell("resume")
/** The worker lets what runs end, then stops. Gives the command. */
export const drain = tell("drain")
/** The worker asks OpenCode for its models again. Gives the command. */
export const refreshModels = tell("refreshModels")

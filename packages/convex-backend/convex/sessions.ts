/**
 * Conversations.
 *
 * @since 0.1.0
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { assignedSession } from "./assigned.ts"
import { operatorMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { refusal } from "./errors.ts"
import { bounded, checkText, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"

const view = (session: Doc<"sessions">) => ({
  sessionId: session._id,
  workerId: session.workerId,
  title: session.title,
  status: session.status,
  origin: session.origin,
  lastActivityAt: session.lastActivityAt
})

/** The operator's session, else `NotFound`. */
export const ownedSession = async (
  ctx: QueryCtx & { readonly operator: string },
  sessionId: Id<"sessions">
): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(sessionId)
  if (session?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such session")
  return session
}

/** The operator's worker, approved; else `NotFound` or `Revoked`. */
export const usableWorker = async (
  ctx: QueryCtx & { readonly operator: string },
  workerId: Id<"workers">
): Promise<Doc<"workers">> => {
  const worker = await ctx.db.get(workerId)
  if (worker?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such worker")
  if (worker.approval === "revoked") throw refusal("Revoked", "This worker was revoked: choose another one")
  return worker
}

/** Creates a session on a worker, online or not. The same key gives the same session. */
export const create = operatorMutation({
  args: { workerId: v.id("workers"), title: v.optional(v.string()), idempotencyKey: v.string() },
  handler: async (ctx, { workerId, title, idempotencyKey }) => {
    checkText("idempotencyKey", idempotencyKey, MAX_NAME)
    if (title !== undefined) checkText("title", title, MAX_NAME)
    const existing = await ctx.db
      .query("sessions")
      .withIndex("by_owner_key", (q) => q.eq("ownerId", ctx.operator).eq("idempotencyKey", idempotencyKey))
      .unique()
    if (existing !== null) return existing._id
    await usableWorker(ctx, workerId)
    return ctx.db.insert("sessions", {
      ownerId: ctx.operator,
      workerId,
      title: title ?? "New session",
      titledBy: title === undefined ? "nobody" : "operator",
      origin: "operator",
      status: "idle",
      lastActivityAt: Date.now(),
      idempotencyKey
    })
  }
})

/** A page of your sessions, of one worker or of all, the latest activity first. */
export const list = operatorQuery({
  args: { workerId: v.optional(v.id("workers")), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { workerId, paginationOpts }) => {
    const sessions = ctx.db.query("sessions")
    const range =
      workerId === undefined
        ? sessions.withIndex("by_owner_activity", (q) => q.eq("ownerId", ctx.operator))
        : sessions.withIndex("by_owner_worker_activity", (q) => q.eq("ownerId", ctx.operator).eq("workerId", workerId))
    const numItems = bounded(paginationOpts.numItems, MAX_SMALL_PAGE)
    const result = await range.order("desc").paginate({ ...paginationOpts, numItems })
    return { ...result, page: result.page.map(view) }
  }
})

/** One of your sessions, or null. */
export const get = operatorQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    const session = await ctx.db.get(sessionId)
    return session?.ownerId === ctx.operator ? view(session) : null
  }
})

/** One session as its worker needs it: which OpenCode session it is, null before its first turn. */
export const assigned = workerQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    const session = await assignedSession(ctx, sessionId)
    return { ...view(session), opencodeSessionId: session.opencodeSessionId ?? null }
  }
})

/** Remembers OpenCode's session. Its title is taken unless the operator chose one. */
export const bind = workerMutation({
  args: { sessionId: v.id("sessions"), opencodeSessionId: v.string(), title: v.optional(v.string()) },
  handler: async (ctx, { sessionId, opencodeSessionId, title }) => {
    checkText("opencodeSessionId", opencodeSessionId, MAX_NAME)
    if (title !== undefined) checkText("title", title, MAX_NAME)
    const session = await assignedSession(ctx, sessionId)
    await ctx.db.patch(sessionId, {
      opencodeSessionId,
      ...(title !== undefined && session.titledBy !== "operator" && { title, titledBy: "opencode" as const })
    })
    return null
  }
})

/**
 * Conversations.
 *
 * @since 0.1.0
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Doc } from "./_generated/dataModel.ts"
import { assignedSession } from "./assigned.ts"
import { operatorMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { issue, issued } from "./commands.ts"
import { refusal } from "./errors.ts"
import { bounded, checkName, checkText, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"
import { ownedSession, usableWorker } from "./owned.ts"
import { purgeSession } from "./purge.ts"
import { renewWatch } from "./watches.ts"

const view = (session: Doc<"sessions">) => ({
  sessionId: session._id,
  workerId: session.workerId,
  title: session.title,
  status: session.status,
  origin: session.origin,
  archived: session.archived ?? false,
  lastActivityAt: session.lastActivityAt
})

/** Creates a session on a worker, online or not. The same key gives the same session. */
export const create = operatorMutation({
  args: { workerId: v.id("workers"), title: v.optional(v.string()), idempotencyKey: v.string() },
  handler: async (ctx, { workerId, title, idempotencyKey }) => {
    checkName("idempotencyKey", idempotencyKey)
    if (title !== undefined) checkName("title", title)
    const existing = await ctx.db
      .query("sessions")
      .withIndex("by_owner_key", (q) => q.eq("ownerId", ctx.operator).eq("idempotencyKey", idempotencyKey))
      .unique()
    if (existing !== null) {
      if (existing.workerId === workerId) return existing._id
      throw refusal("Conflict", "This idempotencyKey was used for a session of another worker: use a new one")
    }
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

/**
 * Says that you read a session, for 45 s: its text is then written every 250 ms instead of every 4 s. Say it again every
 * 20 s while you show it; a worker hears of it with its next write.
 */
export const watch = operatorMutation({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    await ownedSession(ctx, sessionId)
    await renewWatch(ctx, sessionId)
    return null
  }
})

const command = { sessionId: v.id("sessions"), idempotencyKey: v.string() }

/**
 * Gives a session your title, which no later one of OpenCode's replaces. Gives the command that tells OpenCode. The same
 * key again changes nothing, also where the title has been another one since.
 */
export const rename = operatorMutation({
  args: { ...command, title: v.string() },
  handler: async (ctx, { sessionId, title, idempotencyKey }) => {
    checkName("title", title)
    const existing = await issued(ctx, idempotencyKey, { kind: "rename", sessionId })
    if (existing !== null) return existing
    const { workerId } = await ownedSession(ctx, sessionId)
    const commandId = await issue(ctx, workerId, { kind: "rename", sessionId, title }, idempotencyKey)
    await ctx.db.patch(sessionId, { title, titledBy: "operator" })
    return commandId
  }
})

/**
 * Deletes a session, here and in OpenCode. It takes no prompts from now on, its running turn is aborted, and it is gone when
 * its worker has deleted it.
 * Gives the command that says whether it could; null where no worker is needed for it. The same key again changes
 * nothing: one that failed stays failed, and the session in use.
 */
export const remove = operatorMutation({
  args: command,
  handler: async (ctx, { sessionId, idempotencyKey }) => {
    const existing = await issued(ctx, idempotencyKey, { kind: "delete", sessionId })
    if (existing !== null) return existing
    const session = await ownedSession(ctx, sessionId)
    const worker = await ctx.db.get(session.workerId)
    const head = await ctx.db
      .query("turns")
      .withIndex("by_session_finished", (q) => q.eq("sessionId", sessionId).eq("finished", false))
      .first()
    if (head?.status === "queued" && head.ready) await ctx.db.patch(head._id, { ready: false })
    await ctx.db.patch(sessionId, { status: "deleting" })
    const runs = head !== null && head.status !== "queued"
    if (runs) await ctx.db.patch(head._id, { abortRequested: true })
    const unknown = session.opencodeSessionId === undefined && !runs
    if (unknown || worker?.approval !== "approved") {
      await purgeSession(ctx, sessionId)
      return null
    }
    return issue(ctx, session.workerId, { kind: "delete", sessionId }, idempotencyKey)
  }
})

/** Asks the worker for what was said in OpenCode before. Gives the command. */
export const loadHistory = operatorMutation({
  args: command,
  handler: async (ctx, { sessionId, idempotencyKey }) => {
    const { workerId } = await ownedSession(ctx, sessionId)
    return issue(ctx, workerId, { kind: "loadHistory", sessionId }, idempotencyKey)
  }
})

/**
 * One session as its worker needs it: which OpenCode session it is, null before its first turn, and null again when
 * OpenCode has deleted that. It is `lost` from then on, also when it has another one, which knows nothing of what was
 * said, until a turn ends with a notice to its reader.
 */
export const assigned = workerQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    const session = await assignedSession(ctx, sessionId)
    return {
      ...view(session),
      opencodeSessionId: session.opencodeSessionId ?? null,
      lost: session.lost ?? false,
      createdAt: session._creationTime
    }
  }
})

/**
 * Remembers OpenCode's session. Its title is taken unless the operator chose one, which is given: OpenCode's session may
 * have been made before that; null: none was chosen. A session that had another one is `lost`. Refused with `Conflict` when
 * the operator deletes the session.
 */
export const bind = workerMutation({
  args: { sessionId: v.id("sessions"), opencodeSessionId: v.string(), title: v.optional(v.string()) },
  handler: async (ctx, { sessionId, opencodeSessionId, title }) => {
    checkText("opencodeSessionId", opencodeSessionId, MAX_NAME)
    if (title !== undefined) checkText("title", title, MAX_NAME)
    const session = await assignedSession(ctx, sessionId)
    if (session.status === "deleting") throw refusal("Conflict", "This session is being deleted")
    const { opencodeSessionId: before, titledBy } = session
    const isChosen = titledBy === "operator"
    await ctx.db.patch(sessionId, {
      opencodeSessionId,
      ...(before !== undefined && before !== opencodeSessionId && { lost: true as const }),
      ...(title !== undefined && !isChosen && { title, titledBy: "opencode" as const })
    })
    return { chosenTitle: isChosen ? session.title : null }
  }
})

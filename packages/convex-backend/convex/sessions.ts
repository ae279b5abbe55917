/**
 * Sessions: conversations of operators with the agent of a worker.
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Doc } from "./_generated/dataModel.ts"
import { assignedSession, ownedSession, usableWorker } from "./authorize.ts"
import { operatorMutation, operatorQuery, readerMutation, workerMutation, workerQuery } from "./builders.ts"
import { enqueueCommand, findCommand } from "./commands.ts"
import { appError } from "./errors.ts"
import { clamp, checkName, checkText, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"
import { purgeSession } from "./purge.ts"
import { readState } from "./sessionStates.ts"
import { firstUnfinished } from "./turnOrder.ts"
import { checkUnused, keyOfDeleted } from "./usedKeys.ts"
import { markWatched } from "./viewers.ts"

const toSessionView = (session: Doc<"sessions">) => ({
  sessionId: session._id,
  workerId: session.workerId,
  title: session.title,
  status: session.status,
  origin: session.origin,
  archived: session.archived ?? false,
  lastActivityAt: session.lastActivityAt
})

/**
 * Creates a session on a worker, which need not be online, and returns its id. Idempotent by key. Fails with `NotFound` if the
 * session of this key is deleted; keys of deleted sessions are known for 30 days.
 */
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
      if (existing.status === "deleting") throw keyOfDeleted("session")
      if (existing.workerId === workerId) return existing._id
      throw appError("Conflict", "This idempotencyKey was used for a session of another worker: use a new one")
    }
    await checkUnused(ctx, ctx.operator, idempotencyKey, "session")
    await usableWorker(ctx, workerId)
    return ctx.db.insert("sessions", {
      ownerId: ctx.operator,
      workerId,
      title: title ?? "New session",
      titleSource: title === undefined ? "default" : "operator",
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
    const numItems = clamp(paginationOpts.numItems, MAX_SMALL_PAGE)
    const result = await range.order("desc").paginate({ ...paginationOpts, numItems })
    return { ...result, page: result.page.map(toSessionView) }
  }
})

/** One of your sessions with its todos, the use of its context and its queue, or null. */
export const get = operatorQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    const session = await ctx.db.get(sessionId)
    if (session?.ownerId !== ctx.operator) return null
    return { ...toSessionView(session), ...(await readState(ctx, sessionId)) }
  }
})

/**
 * Marks a session as watched for 45 s: its live text is written every 250 ms instead of every 4 s. Call it every 20 s while
 * you show the session. The worker subscribes to the mark (`deltas.watched`).
 */
export const watch = readerMutation({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    await markWatched(ctx, await ownedSession(ctx, sessionId))
    return null
  }
})

const command = { sessionId: v.id("sessions"), idempotencyKey: v.string() }

/**
 * Sets the title of a session, which titles of OpenCode do not replace. Returns the command that renames it in OpenCode. A
 * repeated key has no effect, even if the title was changed since.
 */
export const rename = operatorMutation({
  args: { ...command, title: v.string() },
  handler: async (ctx, { sessionId, title, idempotencyKey }) => {
    checkName("title", title)
    const existing = await findCommand(ctx, idempotencyKey, { kind: "rename", sessionId })
    if (existing !== null) return existing
    const { workerId } = await ownedSession(ctx, sessionId)
    const commandId = await enqueueCommand(ctx, workerId, { kind: "rename", sessionId, title }, idempotencyKey)
    await ctx.db.patch(sessionId, { title, titleSource: "operator" })
    return commandId
  }
})

/**
 * Deletes a session in the deployment and in OpenCode. It rejects prompts from now on, its running turn is aborted, and its
 * rows are deleted when its worker has deleted it. Returns the command with the outcome; null if no worker is needed. A
 * repeated key has no effect: after a failure the session stays usable, and another key tries again.
 */
export const remove = operatorMutation({
  args: command,
  handler: async (ctx, { sessionId, idempotencyKey }) => {
    const existing = await findCommand(ctx, idempotencyKey, { kind: "delete", sessionId })
    if (existing !== null) return existing
    const session = await ownedSession(ctx, sessionId)
    const worker = await ctx.db.get(session.workerId)
    const unfinished = await firstUnfinished(ctx, sessionId)
    for (const { _id, ready, status } of unfinished) {
      if (status !== "queued") await ctx.db.patch(_id, { abortRequested: true })
      else if (ready) await ctx.db.patch(_id, { ready: false })
    }
    await ctx.db.patch(sessionId, { status: "deleting" })
    const runs = unfinished.some(({ status }) => status !== "queued")
    const unknown = session.opencodeSessionId === undefined && !runs
    if (unknown || worker?.approval !== "approved") {
      await purgeSession(ctx, sessionId)
      return null
    }
    return enqueueCommand(ctx, session.workerId, { kind: "delete", sessionId }, idempotencyKey)
  }
})

/** Requests the earlier turns of the session in OpenCode. Returns the command. */
export const loadHistory = operatorMutation({
  args: command,
  handler: async (ctx, { sessionId, idempotencyKey }) => {
    const { workerId } = await ownedSession(ctx, sessionId)
    return enqueueCommand(ctx, workerId, { kind: "loadHistory", sessionId }, idempotencyKey)
  }
})

/**
 * One session for its worker. `opencodeSessionId`: null before its first turn, and after OpenCode has deleted it.
 * `historyLost`: true after a deletion, also with a new OpenCode session, until a turn ends with a notice of it.
 */
export const getForWorker = workerQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    const session = await assignedSession(ctx, sessionId)
    return {
      ...toSessionView(session),
      opencodeSessionId: session.opencodeSessionId ?? null,
      historyLost: session.historyLost ?? false,
      createdAt: session._creationTime
    }
  }
})

/**
 * Links a session to OpenCode's session. Stores its title, unless the operator chose one: that is returned as
 * `chosenTitle` (otherwise null), since OpenCode's session may be older. If another one was linked, `historyLost` is set.
 * Fails with `Conflict` while the session is deleted.
 */
export const linkOpenCodeSession = workerMutation({
  args: { sessionId: v.id("sessions"), opencodeSessionId: v.string(), title: v.optional(v.string()) },
  handler: async (ctx, { sessionId, opencodeSessionId, title }) => {
    checkText("opencodeSessionId", opencodeSessionId, MAX_NAME)
    if (title !== undefined) checkText("title", title, MAX_NAME)
    const session = await assignedSession(ctx, sessionId)
    if (session.status === "deleting") throw appError("Conflict", "This session is being deleted")
    const { opencodeSessionId: before, titleSource } = session
    const isChosen = titleSource === "operator"
    await ctx.db.patch(sessionId, {
      opencodeSessionId,
      ...(before !== undefined && before !== opencodeSessionId && { historyLost: true as const }),
      ...(title !== undefined && !isChosen && { title, titleSource: "opencode" as const })
    })
    return { chosenTitle: isChosen ? session.title : null }
  }
})

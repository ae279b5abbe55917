/**
 * What was said in OpenCode before, or beside: turns that were not asked for here.
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { assignedSession } from "./assigned.ts"
import { workerMutation } from "./builders.ts"
import { checkText, MAX_MESSAGE, MAX_NAME, MAX_PROMPT } from "./limits.ts"
import { splitParts } from "./payloads.ts"
import { turnError, turnOutcome, turnUsage } from "./tables.ts"

/**
 * Adds a finished turn before all that the session has, so tell the newest first. One whose message is there already,
 * because it was told before or asked for here, is passed over: false.
 */
export const add = workerMutation({
  args: {
    sessionId: v.id("sessions"),
    /** OpenCode's id of the prompt. */
    messageId: v.string(),
    text: v.string(),
    /** When it ended, in milliseconds of the worker's clock. */
    finishedAt: v.number(),
    outcome: turnOutcome,
    error: v.optional(turnError),
    usage: v.optional(turnUsage),
    parts: v.array(v.object({ index: v.number(), kind: v.string(), payload: v.string() }))
  },
  handler: async (ctx, { sessionId, messageId, text, finishedAt, outcome, error, usage, parts }) => {
    checkText("messageId", messageId, MAX_NAME)
    checkText("text", text, MAX_PROMPT, 0)
    if (error !== undefined) {
      checkText("error.name", error.name, MAX_NAME)
      checkText("error.message", error.message, MAX_MESSAGE, 0)
    }
    const rows = splitParts(parts)
    const session = await assignedSession(ctx, sessionId)
    const existing = await ctx.db
      .query("turns")
      .withIndex("by_session_message", (q) => q.eq("sessionId", sessionId).eq("messageId", messageId))
      .first()
    if (existing !== null) return false
    const first = await ctx.db
      .query("turns")
      .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
      .first()
    const turnId = await ctx.db.insert("turns", {
      sessionId,
      workerId: ctx.worker._id,
      ownerId: session.ownerId,
      seq: (first?.seq ?? 1) - 1,
      text,
      status: outcome,
      ready: false,
      finished: true,
      epoch: ctx.worker.epoch,
      messageId,
      finishedAt: Math.min(finishedAt, Date.now()),
      idempotencyKey: `opencode ${messageId}`,
      ...(error !== undefined && { error }),
      ...(usage !== undefined && { usage })
    })
    for (const row of rows) await ctx.db.insert("parts", { turnId, ...row })
    return true
  }
})

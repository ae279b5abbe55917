/**
 * Deletes a session with all that belongs to it, in as many transactions as that takes.
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx } from "./_generated/server.ts"
import { deleteWatch } from "./watches.ts"

/** Of the largest size 4 × 750 kB, 20 × 100 kB and 10 × 150 kB are 6.5 MB: read to find them, and once more to delete them. */
const [PARTS, DELTAS, CONTENTS] = [4, 20, 10]

/** Takes the session out of every list by and by, beginning when the caller's transaction is done. */
export const purgeSession = async (ctx: MutationCtx, sessionId: Id<"sessions">): Promise<void> => {
  await ctx.scheduler.runAfter(0, internal.purge.session, { sessionId })
}

/** Deletes some, and schedules itself until nothing is left. */
export const session = internalMutation({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }): Promise<null> => {
    const turn = await ctx.db
      .query("turns")
      .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
      .first()
    if (turn === null) {
      await deleteWatch(ctx, sessionId)
      if ((await ctx.db.get(sessionId)) !== null) await ctx.db.delete(sessionId)
      return null
    }
    const turnId = turn._id
    const parts = ctx.db.query("parts").withIndex("by_turn", (q) => q.eq("turnId", turnId))
    const deltas = ctx.db.query("deltas").withIndex("by_turn", (q) => q.eq("turnId", turnId))
    const request = await ctx.db
      .query("requests")
      .withIndex("by_turn_open", (q) => q.eq("turnId", turnId))
      .first()
    const contents =
      request === null
        ? []
        : await ctx.db
            .query("requestContents")
            .withIndex("by_request", (q) => q.eq("requestId", request._id))
            .take(CONTENTS)
    const rows = [...(await parts.take(PARTS)), ...(await deltas.take(DELTAS)), ...contents]
    for (const { _id } of rows) await ctx.db.delete(_id)
    if (request !== null && contents.length < CONTENTS) await ctx.db.delete(request._id)
    if (rows.length === 0 && request === null) await ctx.db.delete(turnId)
    await purgeSession(ctx, sessionId)
    return null
  }
})

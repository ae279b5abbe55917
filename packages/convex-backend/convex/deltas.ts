/**
 * Streamed text. Deltas are stored while their turn is unfinished.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { workerQuery } from "./builders.ts"
import { firstUnfinished } from "./turnOrder.ts"
import { DELETE_BATCH, MAX_PAGE, MAX_SMALL_PAGE, PURGE_BATCH } from "./limits.ts"

/** The deltas of a turn with a `seq` above `after`, the oldest first, at most 100. Pass the last `seq` for the next page. */
export const deltasAfter = async (ctx: QueryCtx, turnId: Id<"turns">, after: number) => {
  const rows = await ctx.db
    .query("deltas")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId).gt("seq", after))
    .take(MAX_SMALL_PAGE)
  return rows.map(({ seq, segments }) => ({ seq, segments }))
}

/**
 * The running turns of this worker in the 20 sessions that a client watched last. It changes when a client begins to watch or
 * renews it, not when it ends: `queue.appendDeltas` reports that.
 */
export const watched = workerQuery({
  args: {},
  handler: async (ctx) => {
    const viewers = await ctx.db
      .query("viewers")
      .withIndex("by_worker", (q) => q.eq("workerId", ctx.worker._id).gt("until", Date.now()))
      .order("desc")
      .take(MAX_PAGE)
    const turns = await Promise.all(viewers.map(({ sessionId }) => firstUnfinished(ctx, sessionId)))
    return turns.flat().flatMap(({ _id, status }) => (status === "queued" ? [] : [_id]))
  }
})

/** Deletes the deltas of a turn: some now, the rest in scheduled transactions, so that any number fits. */
export const deleteDeltas = async (ctx: MutationCtx, turnId: Id<"turns">, atOnce = DELETE_BATCH): Promise<void> => {
  const deltas = await ctx.db
    .query("deltas")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .take(atOnce)
  for (const delta of deltas) await ctx.db.delete(delta._id)
  if (deltas.length === atOnce) await ctx.scheduler.runAfter(0, internal.deltas.purge, { turnId })
}

export const purge = internalMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }): Promise<null> => {
    await deleteDeltas(ctx, turnId, PURGE_BATCH)
    return null
  }
})

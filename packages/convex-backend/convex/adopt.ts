/**
 * Turns that go on in OpenCode after their worker has ended: a request of them waits for an answer.
 */
import { v } from "convex/values"
import { assignedTurn } from "./authorize.ts"
import { workerMutation } from "./builders.ts"
import { promptOf } from "./prompts.ts"

/**
 * Moves the claim of a turn that an earlier process left to this one, and returns its prompt, the ids that it has in OpenCode,
 * and `seq` of its last delta. The turn is delivered. Null if it has ended, was not claimed, or an abort is requested: then
 * it is recovered as any other. May be repeated.
 */
export const turn = workerMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const row = await assignedTurn(ctx, turnId)
    const { abortRequested, messageId, partId, status } = row
    if ((status !== "claimed" && status !== "running") || abortRequested === true) return null
    if (messageId === undefined || partId === undefined) return null
    await ctx.db.patch(turnId, { status: "running", epoch: ctx.worker.epoch })
    const last = await ctx.db
      .query("deltas")
      .withIndex("by_turn", (q) => q.eq("turnId", turnId))
      .order("desc")
      .first()
    return { ...(await promptOf(ctx, row)), messageId, partId, seq: last?.seq ?? 0 }
  }
})

/**
 * The phase of a worker in lists. An unchanged row is not written, so that no query runs again.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"

/** Every worker has a presence: approval inserts both. */
export const presenceOf = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"presence">> => {
  const presence = await ctx.db
    .query("presence")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()
  if (presence === null) throw appError("NotFound", "There is no such worker")
  return presence
}

/** Returns the previous presence. */
export const setPresence = async (
  ctx: MutationCtx,
  workerId: Id<"workers">,
  next: { readonly phase?: string; readonly online: boolean }
): Promise<Doc<"presence">> => {
  const presence = await presenceOf(ctx, workerId)
  const phase = next.phase ?? presence.phase
  if (presence.online !== next.online || presence.phase !== phase) {
    await ctx.db.patch(presence._id, { phase, online: next.online })
  }
  return presence
}

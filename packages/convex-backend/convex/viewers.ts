/**
 * Whether a client watches a session: live text is written more often then.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { WATCH_LIFETIME, WATCH_RENEWAL } from "./limits.ts"

const viewerOf = (ctx: QueryCtx, sessionId: Id<"sessions">): Promise<Doc<"viewers"> | null> =>
  ctx.db
    .query("viewers")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .unique()

/** Whether a client watches a session now. Only for mutations: a query would not run again when the time has passed. */
export const isWatched = async (ctx: MutationCtx, sessionId: Id<"sessions">): Promise<boolean> =>
  ((await viewerOf(ctx, sessionId))?.until ?? 0) > Date.now()

/** Marks a session as watched for `WATCH_LIFETIME` (45 s) from now. */
export const markWatched = async (ctx: MutationCtx, { _id: sessionId, workerId }: Doc<"sessions">): Promise<void> => {
  const now = Date.now()
  const watch = await viewerOf(ctx, sessionId)
  if (watch === null) await ctx.db.insert("viewers", { sessionId, workerId, until: now + WATCH_LIFETIME })
  else if (watch.until < now + WATCH_RENEWAL) await ctx.db.patch(watch._id, { until: now + WATCH_LIFETIME })
}

export const deleteViewer = async (ctx: MutationCtx, sessionId: Id<"sessions">): Promise<void> => {
  const watch = await viewerOf(ctx, sessionId)
  if (watch !== null) await ctx.db.delete(watch._id)
}

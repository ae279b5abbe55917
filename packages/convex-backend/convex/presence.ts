/**
 * The phase of a worker in lists. An unchanged row is not written, so that no query runs again.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import { showWorker } from "./inboxItems.ts"

/** Every worker has a presence: approval inserts both. */
export const presenceOf = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"presence">> => {
  const presence = await ctx.db
    .query("presence")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()
  if (presence === null) throw appError("NotFound", "There is no such worker")
  return presence
}

interface NextPresence {
  readonly phase?: string
  readonly online: boolean
  /** Of a worker that is offline. Default: unchanged. */
  readonly lastSeenAt?: number
  /** Why the process was refused. */
  readonly advice?: string
}

/** Returns the previous presence. */
export const setPresence = async (
  ctx: MutationCtx,
  workerId: Id<"workers">,
  { advice, lastSeenAt, online, phase: nextPhase }: NextPresence
): Promise<Doc<"presence">> => {
  const presence = await presenceOf(ctx, workerId)
  const phase = nextPhase ?? presence.phase
  if (presence.online !== online || presence.phase !== phase || presence.advice !== advice) {
    const seen = online ? undefined : (lastSeenAt ?? presence.lastSeenAt)
    await ctx.db.patch(presence._id, { phase, online, lastSeenAt: seen, advice })
    // A worker that stops or is revoked names its phase.
    if (presence.online !== online) await showWorker(ctx, workerId, !online && nextPhase === undefined)
  }
  return presence
}

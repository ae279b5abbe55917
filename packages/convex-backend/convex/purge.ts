/**
 * Deletes sessions and turns with all their rows, in as many transactions as needed.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx } from "./_generated/server.ts"
import { deleteApprovals } from "./approvals.ts"
import { deleteChanges } from "./changes.ts"
import { deleteFiles } from "./attachments.ts"
import { deletePrompt } from "./prompts.ts"
import { deleteSearchText } from "./search.ts"
import { deleteState } from "./sessionStates.ts"
import { moveLoad } from "./workerLoad.ts"
import { removeItem } from "./inboxItems.ts"
import { deleteUsage } from "./usage.ts"
import { rememberKey } from "./usedKeys.ts"
import { deleteViewer } from "./viewers.ts"

/** Rows per transaction. At maximum size (4 × 750 kB, 20 × 100 kB, 10 × 150 kB, 100 × 400 bytes) they are 6.5 MB, read to find and again to delete. */
const [PARTS, DELTAS, CONTENTS, OUTLINES] = [4, 20, 10, 100]
/** Files per transaction: each is a few small rows, and a deletion in the storage. */
const FILES = 10

/** Schedules the deletion of a session, after the caller's transaction. */
export const purgeSession = async (ctx: MutationCtx, sessionId: Id<"sessions">): Promise<void> => {
  await ctx.scheduler.runAfter(0, internal.purge.session, { sessionId })
}

/** Deletes a finished turn of a session that stays, in as many transactions as needed. */
export const purgeTurn = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  const row = await ctx.db.get(turnId)
  if (await deleteSome(ctx, turnId)) await rememberKey(ctx, row?.sessionId ?? "", row?.idempotencyKey)
  else await ctx.scheduler.runAfter(0, internal.purge.turn, { turnId })
}

/** Deletes some rows of a turn, and the turn itself when no other row is left. Returns whether the turn is deleted. */
const deleteSome = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<boolean> => {
  const parts = ctx.db.query("parts").withIndex("by_turn", (q) => q.eq("turnId", turnId))
  const deltas = ctx.db.query("deltas").withIndex("by_turn", (q) => q.eq("turnId", turnId))
  const outline = ctx.db.query("outlines").withIndex("by_turn", (q) => q.eq("turnId", turnId))
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
  const rows = [
    ...(await parts.take(PARTS)),
    ...(await outline.take(OUTLINES)),
    ...(await deltas.take(DELTAS)),
    ...contents
  ]
  for (const { _id } of rows) await ctx.db.delete(_id)
  if (request !== null && contents.length < CONTENTS) {
    // The turn may not have ended: its conversation was deleted in OpenCode.
    await removeItem(ctx, request._id)
    await ctx.db.delete(request._id)
  }
  const files = await deleteFiles(ctx, turnId, FILES)
  if (rows.length > 0 || files > 0 || request !== null) return false
  const turn = await ctx.db.get(turnId)
  if (turn !== null) await moveLoad(ctx, turn.workerId, turn.status, null)
  await deletePrompt(ctx, turnId)
  await deleteSearchText(ctx, turnId)
  await deleteChanges(ctx, turnId)
  await deleteApprovals(ctx, turnId)
  await ctx.db.delete(turnId)
  return true
}

/** Deletes some rows, and schedules itself until the turn is deleted. */
export const turn = internalMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }): Promise<null> => {
    if ((await ctx.db.get(turnId)) !== null) await purgeTurn(ctx, turnId)
    return null
  }
})

/** Deletes some rows, and schedules itself until the session is deleted. */
export const session = internalMutation({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }): Promise<null> => {
    const first = await ctx.db
      .query("turns")
      .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
      .first()
    if (first === null) {
      await deleteViewer(ctx, sessionId)
      await deleteApprovals(ctx, sessionId)
      await deleteState(ctx, sessionId)
      await removeItem(ctx, sessionId)
      await deleteUsage(ctx, sessionId)
      const row = await ctx.db.get(sessionId)
      if (row === null) return null
      await rememberKey(ctx, row.ownerId, row.idempotencyKey)
      await ctx.db.delete(sessionId)
      return null
    }
    await deleteSome(ctx, first._id)
    await purgeSession(ctx, sessionId)
    return null
  }
})

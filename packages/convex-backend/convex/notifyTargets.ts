/** Rows of the targets of notifications. */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_NOTIFY_TARGETS } from "./limits.ts"

/** The targets of an operator, at most 20. */
export const targetsOf = (ctx: QueryCtx, ownerId: string): Promise<ReadonlyArray<Doc<"notifyTargets">>> =>
  ctx.db
    .query("notifyTargets")
    .withIndex("by_owner", (q) => q.eq("ownerId", ownerId))
    .take(MAX_NOTIFY_TARGETS)

/** Whether a kind of item is sent anywhere: most operators have no target, and then nothing is scheduled. */
export const isWanted = async (ctx: QueryCtx, ownerId: string, kind: Doc<"inbox">["kind"]): Promise<boolean> =>
  (await targetsOf(ctx, ownerId)).some(({ wants }) => wants.includes(kind))

/** Deletes the targets of a device. */
export const deleteTargets = async (ctx: MutationCtx, deviceId: Id<"devices">): Promise<void> => {
  const targets = await ctx.db
    .query("notifyTargets")
    .withIndex("by_device", (q) => q.eq("device", deviceId))
    .take(MAX_NOTIFY_TARGETS)
  for (const { _id } of targets) await ctx.db.delete(_id)
}

/**
 * Delivery of notifications.
 *
 * ```
 *   an item is shown ─5 s─▶ announce: a row per target ─▶ attempt ─▶ send (action) ─▶ settle: deletes the row, or the error
 *                                                           ▲  └─ 15 s, 1 min, 5 min, 30 min later, while the row exists
 * ```
 *
 * Invariants
 * - At least once: a scheduled action may be lost in a restart, and a scheduled mutation is not. Each attempt schedules the
 *   next one before its action runs, later than the time limit of a request.
 * - Each attempt reads the item: the row is deleted without a request when its target was removed, or when the item was
 *   answered, read, archived, deleted, or shown with a newer state.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc } from "./_generated/dataModel.ts"
import { type ActionCtx, internalAction, internalMutation, internalQuery, type QueryCtx } from "./_generated/server.ts"
import { MAX_DEVICES_READ, NOTIFY_DELAYS } from "./limits.ts"
import { type Notification, post, type Posted } from "./notifyMessages.ts"
import { targetsOf } from "./notifyTargets.ts"

/** The item, if this state of it still waits and no device has read it. */
const waiting = async (
  ctx: QueryCtx,
  { at, itemId }: Pick<Doc<"notifications">, "at" | "itemId">
): Promise<Doc<"inbox"> | null> => {
  const item = await ctx.db.get(itemId)
  if (item === null || item.archived || item.at !== at) return null
  const reads = await ctx.db
    .query("inboxReads")
    .withIndex("by_item", (q) => q.eq("itemId", itemId))
    .take(MAX_DEVICES_READ)
  return reads.some((read) => read.at >= at) ? null : item
}

/** Creates the notifications of an item, unless it was read or changed within the 5 seconds before. */
export const announce = internalMutation({
  args: { itemId: v.id("inbox"), at: v.number() },
  handler: async (ctx, { at, itemId }): Promise<null> => {
    const item = await waiting(ctx, { at, itemId })
    if (item === null) return null
    for (const { _id: targetId, wants } of await targetsOf(ctx, item.ownerId)) {
      const existing = await ctx.db
        .query("notifications")
        .withIndex("by_item_target", (q) => q.eq("itemId", itemId).eq("targetId", targetId))
        .unique()
      if (existing?.at === at) continue
      if (existing !== null) await ctx.db.delete(existing._id)
      if (!wants.includes(item.kind)) continue
      const notificationId = await ctx.db.insert("notifications", { targetId, itemId, at })
      await ctx.scheduler.runAfter(0, internal.notifyDelivery.attempt, { notificationId, count: 0 })
    }
    return null
  }
})

/** Starts an attempt if the notification is still needed. `count`: the attempts before. */
export const attempt = internalMutation({
  args: { notificationId: v.id("notifications"), count: v.number() },
  handler: async (ctx, { count, notificationId }): Promise<null> => {
    const notification = await ctx.db.get(notificationId)
    if (notification === null) return null
    const isNeeded = (await ctx.db.get(notification.targetId)) !== null && (await waiting(ctx, notification)) !== null
    const delay = NOTIFY_DELAYS[count]
    if (!isNeeded || delay === undefined) {
      await ctx.db.delete(notificationId)
      return null
    }
    await ctx.scheduler.runAfter(delay, internal.notifyDelivery.attempt, { notificationId, count: count + 1 })
    await ctx.scheduler.runAfter(0, internal.notifyDelivery.send, { notificationId })
    return null
  }
})

/** The target and the notification, read at the time of the request. Null if it is not needed any longer. */
export const compose = internalQuery({
  args: { notificationId: v.id("notifications") },
  handler: async (ctx, { notificationId }): Promise<{ target: Doc<"notifyTargets">; message: Notification } | null> => {
    const notification = await ctx.db.get(notificationId)
    const target = notification === null ? null : await ctx.db.get(notification.targetId)
    const item = notification === null ? null : await waiting(ctx, notification)
    if (target === null || item === null) return null
    const { _id, at, kind, requestId = null, sessionId = null, subject, turnId = null, workerId } = item
    const session = sessionId === null ? null : await ctx.db.get(sessionId)
    const content = target.content ? { title: session?.title ?? null, subject } : {}
    return { target, message: { id: `${_id}-${at}`, kind, at, sessionId, turnId, requestId, workerId, ...content } }
  }
})

/** Posts a notification by the protocol of its target. */
export const deliver = (
  ctx: Pick<ActionCtx, "runAction">,
  target: Doc<"notifyTargets">,
  message: Notification
): Promise<Posted> =>
  target.push === undefined
    ? post(target, message)
    : ctx.runAction(internal.pushDelivery.post, {
        endpoint: target.url,
        ...target.push,
        notification: JSON.stringify(message)
      })

/** Sends a notification, and stores the result. */
export const send = internalAction({
  args: { notificationId: v.id("notifications") },
  handler: async (ctx, { notificationId }): Promise<null> => {
    const composed = await ctx.runQuery(internal.notifyDelivery.compose, { notificationId })
    if (composed === null) return null
    const { message, target } = composed
    const { error, isGone } = await deliver(ctx, target, message)
    await ctx.runMutation(internal.notifyDelivery.settle, { targetId: target._id, notificationId, error, isGone })
    return null
  }
})

/** Stores the result of a request. `notificationId` is null for a test. */
export const settle = internalMutation({
  args: {
    targetId: v.id("notifyTargets"),
    notificationId: v.union(v.id("notifications"), v.null()),
    error: v.union(v.string(), v.null()),
    isGone: v.boolean()
  },
  handler: async (ctx, { error, isGone, notificationId, targetId }): Promise<null> => {
    const at = Date.now()
    const target = await ctx.db.get(targetId)
    if (target?.kind === "push" && isGone) {
      // The browser has ended the subscription. The next attempt deletes the notification.
      await ctx.db.delete(targetId)
    } else if (target !== null) {
      const result = error === null ? { lastError: undefined, lastSentAt: at } : { lastError: { at, message: error } }
      await ctx.db.patch(targetId, result)
    }
    if (error !== null || notificationId === null) return null
    if ((await ctx.db.get(notificationId)) !== null) await ctx.db.delete(notificationId)
    return null
  }
})

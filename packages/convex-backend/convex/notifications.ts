/**
 * Targets of notifications: the deployment sends what appears in the inbox to webhooks and ntfy topics, also while no client
 * and no worker is connected.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalQuery, type QueryCtx } from "./_generated/server.ts"
import { fullQuery, type OperatorCaller, operatorAction, operatorMutation, stoppingMutation } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkCount, checkText, MAX_NOTIFY_TARGETS, MAX_SECRET } from "./limits.ts"
import { deliver } from "./notifyDelivery.ts"
import { checkUrl, shownUrl } from "./notifyMessages.ts"
import { targetsOf } from "./notifyTargets.ts"
import { inboxKind, notifyKind } from "./validators.ts"

const kinds = inboxKind.members.map(({ value }) => value)

/** An access token is a header, and a header is ASCII. */
const checkSecret = (secret: string): void => {
  checkText("secret", secret, MAX_SECRET)
  if (!/^[\x21-\x7e]+$/.test(secret)) throw appError("InvalidArgument", "secret takes ASCII characters without spaces")
}

/**
 * Adds a target, or replaces the one with the same kind and URL. Returns its id.
 *
 * - `url`: of a webhook, or of a topic of ntfy. https; http for loopback if `OPENCODE_WORKER_NOTIFY_LOCAL` is 1.
 * - `secret`: signs the body of a webhook; an access token of ntfy.
 * - `wants`: the kinds of inbox items to send (default: all).
 * - `content`: send titles and subjects also (default: false).
 * - `ofDevice`: remove it when the calling device is revoked (default: false).
 *
 * Fails with `InvalidArgument`, and with `Conflict` if 20 targets exist.
 */
export const add = operatorMutation({
  args: {
    kind: notifyKind,
    url: v.string(),
    secret: v.optional(v.string()),
    wants: v.optional(v.array(inboxKind)),
    content: v.optional(v.boolean()),
    ofDevice: v.optional(v.boolean())
  },
  handler: async (ctx, { content = false, kind, ofDevice = false, secret, wants = kinds, ...args }) => {
    const url = checkUrl(args.url)
    if (secret !== undefined) checkSecret(secret)
    checkCount("wants", wants.length, kinds.length)
    if (ofDevice && ctx.device === null) throw appError("InvalidArgument", "ofDevice: you do not use a device")
    const device = ofDevice && ctx.device !== null ? ctx.device.deviceId : null
    const target = {
      ownerId: ctx.operator,
      device,
      kind,
      url,
      wants: [...new Set(wants)],
      content,
      ...(secret !== undefined && { secret })
    }
    const targets = await targetsOf(ctx, ctx.operator)
    const existing = targets.find((each) => each.kind === kind && each.url === url)
    if (existing !== undefined) {
      await ctx.db.replace(existing._id, target)
      return existing._id
    }
    if (targets.length === MAX_NOTIFY_TARGETS) {
      throw appError("Conflict", `You have ${MAX_NOTIFY_TARGETS} targets: remove one first`)
    }
    return ctx.db.insert("notifyTargets", target)
  }
})

/** Your targets. `url` has no query (of a `push` target: no path), and the secret is not shown. Times in milliseconds. */
export const list = fullQuery({
  args: {},
  handler: async (ctx) =>
    (await targetsOf(ctx, ctx.operator)).map(
      ({ _creationTime, _id, content, device, kind, lastError, lastSentAt, secret, url, wants }) => ({
        targetId: _id,
        kind,
        url: shownUrl(url, kind),
        hasSecret: secret !== undefined,
        wants,
        content,
        deviceId: device,
        createdAt: _creationTime,
        lastSentAt: lastSentAt ?? null,
        lastError: lastError ?? null
      })
    )
})

const own = async (
  ctx: QueryCtx & Pick<OperatorCaller, "operator">,
  targetId: Id<"notifyTargets">
): Promise<Doc<"notifyTargets">> => {
  const target = await ctx.db.get(targetId)
  if (target?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such target")
  return target
}

/** Removes a target. Nothing is sent to it from now on. */
export const remove = stoppingMutation({
  args: { targetId: v.id("notifyTargets") },
  handler: async (ctx, { targetId }) => {
    await ctx.db.delete((await own(ctx, targetId))._id)
    return null
  }
})

export const target = internalQuery({
  args: { operator: v.string(), targetId: v.id("notifyTargets") },
  handler: async (ctx, { operator, targetId }): Promise<Doc<"notifyTargets">> => own({ ...ctx, operator }, targetId)
})

/** Sends a test to a target now, once. Returns why it failed, or null. */
export const test = operatorAction({
  args: { targetId: v.id("notifyTargets") },
  handler: async (ctx, { targetId }): Promise<{ readonly error: string | null }> => {
    const to = await ctx.runQuery(internal.notifications.target, { operator: ctx.operator, targetId })
    const at = Date.now()
    const about = { sessionId: null, turnId: null, requestId: null, workerId: null }
    const { error, isGone } = await deliver(ctx, to, { id: `test-${targetId}-${at}`, kind: "test", at, ...about })
    await ctx.runMutation(internal.notifyDelivery.settle, { targetId, notificationId: null, error, isGone })
    return { error }
  }
})

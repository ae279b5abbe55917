/**
 * Web Push: browsers and phones that receive notifications while no page is open. A device subscribes itself, so the scope
 * `read` is enough: it receives no more than it can read.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import { readerAction, readerMutation } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkCount, checkText, MAX_NAME, MAX_NOTIFY_TARGETS } from "./limits.ts"
import { checkUrl } from "./notifyMessages.ts"
import { targetsOf } from "./notifyTargets.ts"
import { inboxKind } from "./validators.ts"
import { checkPushKeys } from "./webPush.ts"

const kinds = inboxKind.members.map(({ value }) => value)

/** The deployment's public key, base64url: `applicationServerKey` of `PushManager.subscribe`. It does not change. */
export const key = readerAction({
  args: {},
  handler: async (ctx): Promise<{ readonly key: string }> => {
    const { publicKey } = await ctx.runAction(internal.pushDelivery.key)
    return { key: publicKey }
  }
})

/**
 * Sends notifications to a subscription of a browser, and returns its target. Call it at each start of the page, because
 * browsers renew subscriptions: it replaces the target with the same endpoint, and the earlier one of the calling device.
 *
 * - `endpoint`, `p256dh`, `auth`: of `PushSubscription.toJSON()`.
 * - `wants`, `content`: as in `notifications.add`. Default: those of the replaced target.
 *
 * Fails with `InvalidArgument`, and with `Conflict` if 20 other targets exist.
 */
export const subscribe = readerMutation({
  args: {
    endpoint: v.string(),
    p256dh: v.string(),
    auth: v.string(),
    wants: v.optional(v.array(inboxKind)),
    content: v.optional(v.boolean())
  },
  handler: async (ctx, { auth, endpoint, p256dh, ...given }) => {
    const url = checkUrl(endpoint)
    checkText("p256dh", p256dh, MAX_NAME)
    checkText("auth", auth, MAX_NAME)
    checkPushKeys({ p256dh, auth })
    checkCount("wants", given.wants?.length ?? 0, kinds.length)
    const device = ctx.device?.deviceId ?? null
    const targets = await targetsOf(ctx, ctx.operator)
    const isEarlier = (each: (typeof targets)[number]) =>
      each.kind === "push" && (each.url === url || (device !== null && each.device === device))
    const [first, ...others] = targets.filter(isEarlier)
    const { content = first?.content ?? false, wants = first?.wants ?? kinds } = given
    const target = {
      ownerId: ctx.operator,
      device,
      kind: "push" as const,
      url,
      push: { p256dh, auth },
      wants: [...new Set(wants)],
      content
    }
    for (const { _id } of others) await ctx.db.delete(_id)
    if (first !== undefined) {
      await ctx.db.replace(first._id, target)
      return first._id
    }
    if (targets.length === MAX_NOTIFY_TARGETS) {
      throw appError("Conflict", `You have ${MAX_NOTIFY_TARGETS} targets: remove one first`)
    }
    return ctx.db.insert("notifyTargets", target)
  }
})

/** Ends the notifications of a subscription. Idempotent. */
export const unsubscribe = readerMutation({
  args: { endpoint: v.string() },
  handler: async (ctx, { endpoint }) => {
    const url = checkUrl(endpoint)
    for (const { _id, kind, url: known } of await targetsOf(ctx, ctx.operator)) {
      if (kind === "push" && known === url) await ctx.db.delete(_id)
    }
    return null
  }
})

"use node"
/** Web Push from Node actions, which have ECDH and HKDF. */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import { internalAction } from "./_generated/server.ts"
import { NOTIFY_TTL } from "./limits.ts"
import { pushPayload, type Notification, type Posted, postTo } from "./notifyMessages.ts"
import { encryptPush, newVapidKey, toBase64Url, vapid, type VapidKey } from "./webPush.ts"

declare const process: { readonly env: Readonly<Record<string, string | undefined>> }

/** Valid for Apple, which refuses others: the page of the project. */
const defaultSubject = "https://github.com/opencode-worker/opencode-worker"

/** Creates the deployment's key if there is none, and returns it. */
export const key = internalAction({
  args: {},
  handler: async (ctx): Promise<VapidKey> =>
    (await ctx.runQuery(internal.pushKeys.stored)) ?? ctx.runMutation(internal.pushKeys.store, await newVapidKey())
})

/** Messages with the same topic replace each other while the device is off: at most 32 characters. */
const topicOf = async ({ id }: Notification): Promise<string> => {
  const [item = ""] = id.split("-")
  return toBase64Url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(item))).slice(0, 32)
}

/** Posts a notification to the push service of a subscription. `notification`: JSON. */
export const post = internalAction({
  args: { endpoint: v.string(), p256dh: v.string(), auth: v.string(), notification: v.string() },
  handler: async (ctx, { auth, endpoint, p256dh, ...args }): Promise<Posted> => {
    const notification: Notification = JSON.parse(args.notification)
    return postTo(endpoint, async () => {
      const vapidKey = await ctx.runAction(internal.pushDelivery.key)
      const subject = process.env["OPENCODE_WORKER_PUSH_SUBJECT"] ?? defaultSubject
      return {
        body: await encryptPush(pushPayload(notification), { p256dh, auth }),
        headers: {
          authorization: await vapid(endpoint, vapidKey, subject, Date.now()),
          "content-encoding": "aes128gcm",
          "content-type": "application/octet-stream",
          ttl: String(NOTIFY_TTL),
          topic: await topicOf(notification),
          urgency: notification.kind === "asked" || notification.kind === "gone" ? "high" : "normal"
        }
      }
    })
  }
})

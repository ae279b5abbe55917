import { defineTable } from "convex/server"
import { v } from "convex/values"
import { inboxKind, notifyKind } from "../validators.ts"

export const notificationsTables = {
  /** Where notifications are sent. */
  notifyTargets: defineTable({
    ownerId: v.string(),
    /** The device that it belongs to: it is removed when the device is revoked. Null: the operator's. */
    device: v.union(v.id("devices"), v.null()),
    kind: v.union(...notifyKind.members, v.literal("push")),
    /** Of a webhook or a topic; the endpoint of a subscription. */
    url: v.string(),
    /** The keys of a subscription (`push`). */
    push: v.optional(v.object({ p256dh: v.string(), auth: v.string() })),
    /** The key of a webhook's signature, or an access token of ntfy. */
    secret: v.optional(v.string()),
    /** The kinds of inbox items that it receives. */
    wants: v.array(inboxKind),
    /** Whether a notification has the title and the subject. */
    content: v.boolean(),
    /** The last failure since the last success. `at`: milliseconds of the server's clock. */
    lastError: v.optional(v.object({ at: v.number(), message: v.string() })),
    lastSentAt: v.optional(v.number())
  })
    .index("by_owner", ["ownerId"])
    .index("by_device", ["device"]),

  /** The key by which push services know the deployment: one row. No public function reads the private key. */
  pushKeys: defineTable({ privateKey: v.string(), publicKey: v.string() }),

  /** Notifications that are not delivered yet: one per target and inbox item, about its newest state. */
  notifications: defineTable({
    targetId: v.id("notifyTargets"),
    itemId: v.id("inbox"),
    /** The `at` of the item, which names its state. */
    at: v.number()
  }).index("by_item_target", ["itemId", "targetId"])
}

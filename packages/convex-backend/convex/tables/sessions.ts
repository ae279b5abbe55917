import { defineTable } from "convex/server"
import { v } from "convex/values"

export const sessionsTables = {
  sessions: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    opencodeSessionId: v.optional(v.string()),
    /** OpenCode has deleted its session, and no turn has announced that yet. */
    historyLost: v.optional(v.literal(true)),
    /** Archived in OpenCode. */
    archived: v.optional(v.literal(true)),
    /** OpenCode's id of the first undone message. OpenCode can restore it until the next prompt. */
    revertedFrom: v.optional(v.string()),
    title: v.string(),
    /** The source of the title. It can be replaced by the same or a later source in this order. */
    titleSource: v.union(v.literal("default"), v.literal("prompt"), v.literal("opencode"), v.literal("operator")),
    origin: v.union(v.literal("operator"), v.literal("opencode")),
    /** `deleting`: until it is deleted in OpenCode, and all of its rows in the deployment. */
    status: v.union(v.literal("idle"), v.literal("running"), v.literal("deleting")),
    lastActivityAt: v.number(),
    /** Of the operator who created it; absent if it came from OpenCode. */
    idempotencyKey: v.optional(v.string())
  })
    .index("by_owner_activity", ["ownerId", "lastActivityAt"])
    .index("by_owner_worker_activity", ["ownerId", "workerId", "lastActivityAt"])
    .index("by_owner_key", ["ownerId", "idempotencyKey"])
    .index("by_worker_opencode", ["workerId", "opencodeSessionId"]),

  /** The idempotency keys of deleted sessions (`within`: the owner) and prompts (`within`: the session), for 30 days. */
  usedKeys: defineTable({
    within: v.string(),
    key: v.string()
  }).index("by_within_key", ["within", "key"]),

  /** Until when a client watches the session, in milliseconds. In no list, because it is written repeatedly. */
  viewers: defineTable({
    sessionId: v.id("sessions"),
    workerId: v.id("workers"),
    until: v.number()
  })
    .index("by_session", ["sessionId"])
    .index("by_worker", ["workerId", "until"]),

  /** The time up to which the changes of OpenCode's sessions are synced, in milliseconds of the worker's clock. */
  syncCursors: defineTable({
    workerId: v.id("workers"),
    watermark: v.number()
  }).index("by_worker", ["workerId"])
}

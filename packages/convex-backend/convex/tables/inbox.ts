import { defineTable } from "convex/server"
import { v } from "convex/values"
import { inboxKind } from "../validators.ts"

export const inboxTables = {
  /** The items that wait for an operator: one row per open request, per session with a result, and per worker that is gone. */
  inbox: defineTable({
    ownerId: v.string(),
    kind: inboxKind,
    /** The request, session or worker that it is about. */
    key: v.union(v.id("requests"), v.id("sessions"), v.id("workers")),
    workerId: v.id("workers"),
    sessionId: v.optional(v.id("sessions")),
    turnId: v.optional(v.id("turns")),
    requestId: v.optional(v.id("requests")),
    /** The line of a request, or the message of an error. */
    subject: v.string(),
    /** Milliseconds of the server's clock. */
    at: v.number(),
    pinned: v.boolean(),
    archived: v.boolean()
  })
    .index("by_key", ["key"])
    .index("by_owner_kind", ["ownerId", "archived", "kind", "at"])
    .index("by_kind", ["kind", "pinned", "at"]),

  /** The items that a device has read, up to their time `at`. */
  inboxReads: defineTable({
    itemId: v.id("inbox"),
    /** The device, or the operator's identity if it uses none. */
    reader: v.string(),
    at: v.number()
  }).index("by_item", ["itemId", "reader"])
}

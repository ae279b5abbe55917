import { defineTable } from "convex/server"
import { v } from "convex/values"

export const quotasTables = {
  /** The writes of an operator in the current window: one row per operator, so operators do not conflict. */
  quotas: defineTable({
    ownerId: v.string(),
    /** Start of the window. Milliseconds of the server's clock. */
    since: v.number(),
    calls: v.number(),
    rows: v.number(),
    bytes: v.number()
  }).index("by_owner", ["ownerId"])
}

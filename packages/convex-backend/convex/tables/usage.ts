import { defineTable } from "convex/server"
import { v } from "convex/values"
import { usageSum } from "../validators.ts"

export const usageTables = {
  /** Sums over the turns that ended on a day (UTC, `2026-01-31`), by worker and model. */
  usageDays: defineTable({
    ownerId: v.string(),
    day: v.string(),
    workerId: v.id("workers"),
    /** `provider/model`, or empty if the turn has no answer. */
    model: v.string(),
    ...usageSum
  }).index("by_owner_day", ["ownerId", "day", "workerId", "model"]),

  usageSessions: defineTable({
    sessionId: v.id("sessions"),
    /** Tokens in the context of the last answer. */
    context: v.optional(v.number()),
    ...usageSum
  }).index("by_session", ["sessionId"])
}

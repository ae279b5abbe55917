import { withTables } from "@opencode-worker/convex-backend/tables"
import { defineSchema, defineTable } from "convex/server"
import { v } from "convex/values"

export default defineSchema(
  withTables({
    notes: defineTable({ sessionId: v.id("sessions"), text: v.string() }).index("by_session", ["sessionId"])
  })
)

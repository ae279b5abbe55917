import { defineSchema, defineTable } from "convex/server"
import { v } from "convex/values"

export default defineSchema({
  documents: defineTable({ number: v.number(), channel: v.string(), text: v.string() })
    .index("by_number", ["number"])
    .index("by_channel", ["channel"])
})

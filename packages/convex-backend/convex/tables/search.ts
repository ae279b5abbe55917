import { defineTable } from "convex/server"
import { v } from "convex/values"

export const searchTables = {
  /** The text by which a turn is found: one row per turn, at most 24 kB. In no list. */
  searchTexts: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    sessionId: v.id("sessions"),
    turnId: v.id("turns"),
    /** When the prompt was sent. Milliseconds. */
    at: v.number(),
    /** The beginning of the prompt; after the end of the turn also of its answer, and of the titles and paths of its calls. */
    text: v.string()
  })
    .index("by_turn", ["turnId"])
    .searchIndex("by_text", { searchField: "text", filterFields: ["ownerId", "workerId", "sessionId"] })
}

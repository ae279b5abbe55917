import { defineTable } from "convex/server"
import { v } from "convex/values"
import { searchKind } from "../validators.ts"

export const searchTables = {
  /** The texts by which turns are found: at most one row per turn and kind, each of at most 9 kB. In no list. */
  searchTexts: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    sessionId: v.id("sessions"),
    turnId: v.id("turns"),
    /** When the prompt was sent. Milliseconds. */
    at: v.number(),
    /** Absent in a row of an earlier version, which has the text of all kinds. Maintenance replaces it. */
    kind: v.optional(searchKind),
    /** The beginning of the texts of this kind. All kinds but the prompt are written at the end of the turn. */
    text: v.string()
  })
    .index("by_turn", ["turnId"])
    .index("by_kind", ["kind"])
    .searchIndex("by_text", { searchField: "text", filterFields: ["ownerId", "workerId", "sessionId", "kind"] })
}

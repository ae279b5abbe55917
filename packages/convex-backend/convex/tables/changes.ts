import { defineTable } from "convex/server"
import { v } from "convex/values"
import { fileChange } from "../validators.ts"

export const changesTables = {
  /** The files that a turn changed, as they were when it ended. Absent if it changed none. */
  changes: defineTable({
    turnId: v.id("turns"),
    files: v.array(fileChange),
    /** Files or patches were left out. */
    truncated: v.boolean()
  }).index("by_turn", ["turnId"]),

  /** The patch of a turn. In no list. */
  patches: defineTable({ turnId: v.id("turns"), text: v.string() }).index("by_turn", ["turnId"])
}

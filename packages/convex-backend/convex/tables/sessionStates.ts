import { defineTable } from "convex/server"
import { v } from "convex/values"
import { changeTotals, contextUse, todo } from "../validators.ts"

export const sessionStatesTables = {
  /** The state of a session after its last turn. In no list, so that lists stay small. */
  sessionStates: defineTable({
    sessionId: v.id("sessions"),
    todos: v.array(todo),
    context: v.optional(contextUse),
    /** Of the last turn; absent if it changed no file. */
    changes: v.optional(changeTotals)
  }).index("by_session", ["sessionId"])
}

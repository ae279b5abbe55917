import { mutationGeneric as mutation, queryGeneric as query } from "convex/server"
import { v } from "convex/values"

export const open = query({
  args: {},
  handler: (ctx) =>
    ctx.db
      .query("tasks")
      .withIndex("by_done", (q) => q.eq("done", false))
      .collect()
})

export const add = mutation({
  args: { text: v.string() },
  handler: (ctx, { text }) => ctx.db.insert("tasks", { done: false, text })
})

import { mutationGeneric as mutation, queryGeneric as query } from "convex/server"
import { v } from "convex/values"

export const list = query({
  args: {},
  handler: async (ctx): Promise<ReadonlyArray<string>> =>
    (await ctx.db.query("messages").take(100)).map(({ text }) => String(text))
})

export const send = mutation({
  args: { text: v.string() },
  handler: (ctx, { text }) => ctx.db.insert("messages", { text })
})

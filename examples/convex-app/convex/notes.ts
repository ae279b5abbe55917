/** Functions of the app, over a table of its own and those of opencode-worker. */
import { type DataModelFromSchemaDefinition, mutationGeneric, type MutationBuilder, queryGeneric } from "convex/server"
import type { QueryBuilder } from "convex/server"
import { v } from "convex/values"
import type schema from "./schema.ts"

// With `npx convex dev`, import these two from `./_generated/server` instead.
type DataModel = DataModelFromSchemaDefinition<typeof schema>
const query = queryGeneric as QueryBuilder<DataModel, "public">
const mutation = mutationGeneric as MutationBuilder<DataModel, "public">

export const add = mutation({
  args: { sessionId: v.id("sessions"), text: v.string() },
  handler: async (ctx, { sessionId, text }) => {
    const [identity, session] = await Promise.all([ctx.auth.getUserIdentity(), ctx.db.get(sessionId)])
    if (identity === null || session?.ownerId !== identity.tokenIdentifier) throw new Error("This session is not yours")
    return ctx.db.insert("notes", { sessionId, text })
  }
})

/** The newest sessions of the operator, each with its notes. */
export const list = query({
  args: {},
  handler: async (ctx) => {
    const identity = await ctx.auth.getUserIdentity()
    if (identity === null) return []
    const sessions = await ctx.db
      .query("sessions")
      .withIndex("by_owner_activity", (q) => q.eq("ownerId", identity.tokenIdentifier))
      .order("desc")
      .take(20)
    return Promise.all(
      sessions.map(async ({ _id, title }) => {
        const notes = await ctx.db
          .query("notes")
          .withIndex("by_session", (q) => q.eq("sessionId", _id))
          .take(50)
        return { title, notes: notes.map(({ text }) => text) }
      })
    )
  }
})

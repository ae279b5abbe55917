import {
  type DataModelFromSchemaDefinition,
  mutationGeneric,
  type MutationBuilder,
  queryGeneric,
  type QueryBuilder
} from "convex/server"
import { v } from "convex/values"
import type schema from "./schema.ts"

type DataModel = DataModelFromSchemaDefinition<typeof schema>
const query: QueryBuilder<DataModel, "public"> = queryGeneric
const mutation: MutationBuilder<DataModel, "public"> = mutationGeneric

const text = "x".repeat(200)

export const get = query({
  args: { number: v.number() },
  handler: (ctx, { number }) =>
    ctx.db
      .query("documents")
      .withIndex("by_number", (q) => q.eq("number", number))
      .unique()
})

export const page50 = query({
  args: { below: v.number() },
  handler: (ctx, { below }) =>
    ctx.db
      .query("documents")
      .withIndex("by_number", (q) => q.lt("number", below))
      .order("desc")
      .paginate({ cursor: null, numItems: 50 })
})

export const latest = query({
  args: { channel: v.string(), watcher: v.number() },
  handler: async (ctx, { channel }) => {
    const last = await ctx.db
      .query("documents")
      .withIndex("by_channel", (q) => q.eq("channel", channel))
      .order("desc")
      .first()
    return last?.number ?? -1
  }
})

/** Computes without a pause, and reads nothing. */
export const compute = query({
  args: { steps: v.number() },
  handler: (_ctx, { steps }) => {
    let sum = 0
    for (let step = 0; step < steps; step++) sum = (sum + step) % 1_000_003
    return sum
  }
})

export const insert = mutation({
  args: { channel: v.string(), number: v.number() },
  handler: (ctx, document) => ctx.db.insert("documents", { ...document, text })
})

export const bulk = mutation({
  args: { from: v.number(), count: v.number() },
  handler: async (ctx, { count, from }) => {
    for (let number = from; number < from + count; number++) {
      await ctx.db.insert("documents", { channel: "bulk", number, text })
    }
  }
})

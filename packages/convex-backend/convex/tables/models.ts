import { defineTable } from "convex/server"
import { v } from "convex/values"
import { catalogEntries } from "../validators.ts"

export const modelsTables = {
  /** The models of a worker. A catalogue that is too long for one row continues in the next `chunk`. */
  modelCatalogs: defineTable({
    workerId: v.id("workers"),
    hash: v.string(),
    /** `provider/model`; null if OpenCode has no default. */
    default: v.union(v.string(), v.null()),
    chunk: v.number(),
    models: v.string()
  }).index("by_worker", ["workerId", "chunk"]),

  /** The variants of a worker's models, for checking a prompt without its catalogue of models. */
  modelVariants: defineTable({
    workerId: v.id("workers"),
    models: v.array(v.object({ id: v.string(), variants: v.array(v.string()) }))
  }).index("by_worker", ["workerId"]),

  /** The agents, commands and skills of a worker's directory: one row per worker. */
  catalogs: defineTable({
    workerId: v.id("workers"),
    hash: v.string(),
    ...catalogEntries
  }).index("by_worker", ["workerId"])
}

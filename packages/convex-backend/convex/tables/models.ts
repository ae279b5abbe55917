import { defineTable } from "convex/server"
import { v } from "convex/values"

export const modelsTables = {
  /** The models of a worker. A catalogue that is too long for one row continues in the next `chunk`. */
  modelCatalogs: defineTable({
    workerId: v.id("workers"),
    hash: v.string(),
    /** `provider/model`; null if OpenCode has no default. */
    default: v.union(v.string(), v.null()),
    chunk: v.number(),
    models: v.string()
  }).index("by_worker", ["workerId", "chunk"])
}

import { defineTable } from "convex/server"
import { v } from "convex/values"
import { query } from "../validators.ts"

export const queriesTables = {
  /** Small rows, because the worker is subscribed to those that wait. */
  queries: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    /** The device that asked. Absent: a login of a provider. */
    deviceId: v.optional(v.id("devices")),
    query,
    status: v.union(v.literal("waiting"), v.literal("done"), v.literal("failed"), v.literal("expired")),
    /** The reason of a failure. */
    error: v.optional(v.string()),
    idempotencyKey: v.string()
  })
    .index("by_worker_status", ["workerId", "status"])
    .index("by_owner_key", ["ownerId", "idempotencyKey"]),
  queryResults: defineTable({
    queryId: v.id("queries"),
    /** JSON; its shape depends on the kind of the query: `QueryResults`. */
    result: v.string()
  }).index("by_query", ["queryId"])
}

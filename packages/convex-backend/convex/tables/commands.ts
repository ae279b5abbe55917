import { defineTable } from "convex/server"
import { v } from "convex/values"
import { command } from "../validators.ts"

export const commandsTables = {
  commands: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    command,
    status: v.union(v.literal("queued"), v.literal("done"), v.literal("failed")),
    /** The reason of a failure. */
    error: v.optional(v.string()),
    /** JSON; what it holds depends on the kind of the command. */
    result: v.optional(v.string()),
    /** The epoch in which a worker began it, for commands that must not run twice. */
    begunIn: v.optional(v.number()),
    /** Of the worker when it was created. */
    epoch: v.number(),
    finishedAt: v.optional(v.number()),
    idempotencyKey: v.string()
  })
    .index("by_worker_status", ["workerId", "status"])
    .index("by_worker_status_kind", ["workerId", "status", "command.kind", "command.sessionId"])
    .index("by_owner_key", ["ownerId", "idempotencyKey"])
}

import { defineTable } from "convex/server"
import { v } from "convex/values"

export const filesTables = {
  /** The files of turns. Several rows may refer to one stored file, which is deleted with the last of them. */
  files: defineTable({
    ownerId: v.string(),
    turnId: v.id("turns"),
    storageId: v.id("_storage"),
    /** Attached to the prompt by the operator, or produced by the agent. */
    origin: v.union(v.literal("operator"), v.literal("agent")),
    name: v.string(),
    /** A media type without parameters, such as `image/png`, as the sender named it. */
    type: v.string(),
    /** Bytes. */
    size: v.number()
  })
    .index("by_turn", ["turnId", "origin"])
    .index("by_storage", ["storageId"]),

  /** Bytes of an owner's stored files. */
  fileUsage: defineTable({
    ownerId: v.string(),
    bytes: v.number()
  }).index("by_owner", ["ownerId"]),

  /** One row: stored files up to this creation time were checked by the sweep of unused uploads. */
  fileSweeps: defineTable({ checkedUntil: v.number() })
}

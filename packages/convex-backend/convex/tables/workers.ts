import { defineTable } from "convex/server"
import { v } from "convex/values"
import { workerInfo } from "../validators.ts"

export const workersTables = {
  workers: defineTable({
    ownerId: v.string(),
    machine: v.string(),
    directory: v.string(),
    /** SHA-256 of the worker's secret, hexadecimal. The secret itself is never sent. */
    secretHash: v.string(),
    approval: v.union(v.literal("approved"), v.literal("revoked")),
    /** Incremented when a lease is acquired or released. Writes with a lower epoch are rejected. */
    epoch: v.number(),
    /** The protocol version of the process that acquired the lease last. */
    protocol: v.optional(v.string())
  }).index("by_owner_approval", ["ownerId", "approval"]),

  /** The state of a worker in lists. Written when it changes, not by every heartbeat. */
  presence: defineTable({
    workerId: v.id("workers"),
    phase: v.string(),
    online: v.boolean(),
    /** Of the last heartbeat, while the worker is offline. Milliseconds of the server's clock. */
    lastSeenAt: v.optional(v.number()),
    /** Why the last process was refused, and the remedy. */
    advice: v.optional(v.string()),
    info: v.optional(workerInfo)
  }).index("by_worker", ["workerId"]),

  /** The unfinished turns of a worker. */
  workerLoads: defineTable({
    workerId: v.id("workers"),
    running: v.number(),
    queued: v.number()
  }).index("by_worker", ["workerId"]),

  /** The process that may write as a worker, and its expiry. Written by every heartbeat. */
  leases: defineTable({
    workerId: v.id("workers"),
    processId: v.string(),
    /** Milliseconds of the server's clock. */
    expiresAt: v.number()
  }).index("by_worker", ["workerId"]),

  pairings: defineTable({
    /** Without the dash. */
    code: v.string(),
    machine: v.string(),
    directory: v.string(),
    /** The permission mode, as the worker reports it. */
    permissions: v.optional(v.string()),
    secretHash: v.string(),
    status: v.union(v.literal("pending"), v.literal("approved"), v.literal("expired")),
    /** The address of the worker, if the deployment knows it. */
    address: v.optional(v.string()),
    expiresAt: v.number(),
    workerId: v.optional(v.id("workers"))
  })
    .index("by_code", ["code"])
    .index("by_status", ["status"]),

  /** The number of pending pairings: one row, so that a rejection reads no more than that. */
  pendingPairings: defineTable({ count: v.number() }),

  /** The number of wrong codes of an operator: one row per operator, recreated for each window. */
  pairingFailures: defineTable({
    operatorId: v.string(),
    /** Time of the first one. Milliseconds of the server's clock. */
    since: v.number(),
    count: v.number()
  }).index("by_operator", ["operatorId"]),

  /** Security-relevant actions, at their `_creationTime`. */
  audit: defineTable({
    /** An operator's `tokenIdentifier`, or the worker's id. */
    actorId: v.string(),
    /** The device of the operator, with its name at that time. */
    device: v.optional(v.object({ deviceId: v.id("devices"), name: v.string() })),
    action: v.union(
      v.literal("approve"),
      v.literal("revoke"),
      v.literal("answer"),
      v.literal("apply"),
      v.literal("revokeApproval"),
      v.literal("shell"),
      v.literal("rotate"),
      v.literal("addDevice"),
      v.literal("claimDevice"),
      v.literal("revokeDevice")
    ),
    /** Absent for actions on devices, which have an `ownerId`. */
    workerId: v.optional(v.id("workers")),
    ownerId: v.optional(v.string()),
    /** Details that the action does not imply. */
    detail: v.optional(v.string())
  })
    .index("by_worker", ["workerId"])
    .index("by_owner", ["ownerId"])
}

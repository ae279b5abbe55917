import { defineTable } from "convex/server"
import { v } from "convex/values"
import { requestAlways, requestAnswer, requestAskedBy } from "../validators.ts"

export const requestsTables = {
  /** Permission requests and questions. A stored request does not change, apart from its status. */
  requests: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    sessionId: v.id("sessions"),
    turnId: v.id("turns"),
    /** Of the process that asked it last. */
    epoch: v.number(),
    /** OpenCode's id of the request. */
    opencodeId: v.string(),
    kind: v.union(v.literal("permission"), v.literal("question")),
    /** The name of the permission in the agent, such as `bash`; null for a question. */
    permission: v.union(v.string(), v.null()),
    /** One line; ends with … if it was truncated. */
    subject: v.string(),
    askedBy: requestAskedBy,
    /** The working directory of the call. */
    directory: v.string(),
    always: requestAlways,
    /** The scope of an approval, as the worker computes it: equal for all requests that one approval covers. */
    scope: v.optional(v.string()),
    /** SHA-256 of everything that is shown, hexadecimal. An answer must carry it. */
    hash: v.string(),
    /** Characters of the whole content as JSON. */
    size: v.number(),
    status: v.union(v.literal("pending"), v.literal("answered"), v.literal("expired"), v.literal("cancelled")),
    /** Not closed by the worker: it waits for an answer, or for the worker to forward one. */
    open: v.boolean(),
    answer: v.optional(requestAnswer),
    answeredBy: v.optional(v.string()),
    /** Milliseconds of the server's clock; null: no time limit. */
    expiresAt: v.union(v.number(), v.null())
  })
    .index("by_worker_opencode", ["workerId", "opencodeId"])
    .index("by_worker_open", ["workerId", "open", "status"])
    .index("by_turn_open", ["turnId", "open"])
    .index("by_owner_status", ["ownerId", "status"])
    .index("by_session_status", ["sessionId", "status"])
    .index("by_open", ["open"]),

  /** Permissions that an operator allowed for later requests of the same scope. Deleted with what they are valid in. */
  approvals: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    /** The turn, session or worker in which it is valid. */
    within: v.union(v.id("turns"), v.id("sessions"), v.id("workers")),
    reach: v.union(v.literal("turn"), v.literal("session"), v.literal("always")),
    scope: v.string(),
    /** The name of the permission in the agent, such as `bash`. */
    permission: v.string(),
    /** Completes "allow …". */
    label: v.string(),
    /** The line of the request that was answered. */
    subject: v.string(),
    approvedBy: v.string(),
    /** The last turn in which it was applied. */
    appliedIn: v.optional(v.id("turns"))
  })
    .index("by_within_scope", ["within", "scope"])
    .index("by_owner", ["ownerId"])
    .index("by_owner_worker", ["ownerId", "workerId"]),

  /** The content of a request as JSON, in chunks. In no list; deleted with the request. */
  requestContents: defineTable({
    requestId: v.id("requests"),
    chunk: v.number(),
    text: v.string()
  }).index("by_request", ["requestId", "chunk"])
}

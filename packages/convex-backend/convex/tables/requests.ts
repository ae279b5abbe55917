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
    /** Characters of the whole content as JSON. */
    size: v.number(),
    status: v.union(v.literal("pending"), v.literal("answered"), v.literal("expired"), v.literal("cancelled")),
    /** Not closed by the worker: it waits for an answer, or for the worker to forward one. */
    open: v.boolean(),
    answer: v.optional(requestAnswer),
    answeredBy: v.optional(v.string()),
    /** The last turn in which an `always` answer was applied to a later request. */
    appliedIn: v.optional(v.id("turns")),
    /** Milliseconds of the server's clock. */
    expiresAt: v.number()
  })
    .index("by_worker_opencode", ["workerId", "opencodeId"])
    .index("by_worker_open", ["workerId", "open", "status"])
    .index("by_turn_open", ["turnId", "open"])
    .index("by_owner_status", ["ownerId", "status"])
    .index("by_session_status", ["sessionId", "status"]),

  /** The content of a request as JSON, in chunks. In no list; deleted with the request. */
  requestContents: defineTable({
    requestId: v.id("requests"),
    chunk: v.number(),
    text: v.string()
  }).index("by_request", ["requestId", "chunk"])
}

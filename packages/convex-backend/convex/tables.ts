/**
 * The tables. Spread them into your own schema, or deploy this folder as it is.
 *
 * Invariants
 * - Fields that change often are in a separate row: a heartbeat writes `leases`, a streamed batch inserts into `deltas`, and
 *   no list reads either.
 * - A session's turns run one after another in the order of `seq`: among its unfinished turns only the first can be
 *   `ready`, `claimed` or `running`.
 * - A turn has deltas and open requests only while it is unfinished, and parts only when it is finished.
 */
import { defineTable } from "convex/server"
import { v } from "convex/values"
import {
  command,
  requestAlways,
  requestAnswer,
  requestAskedBy,
  segment,
  turnAnsweredBy,
  turnError,
  turnOutcome,
  turnUsage
} from "./validators.ts"

export const tables = {
  workers: defineTable({
    ownerId: v.string(),
    machine: v.string(),
    directory: v.string(),
    /** SHA-256 of the worker's secret, hexadecimal. The secret itself is never sent. */
    secretHash: v.string(),
    approval: v.union(v.literal("approved"), v.literal("revoked")),
    /** Incremented when a lease is acquired or released. Writes with a lower epoch are rejected. */
    epoch: v.number()
  }).index("by_owner_approval", ["ownerId", "approval"]),

  /** The state of a worker in lists. Written when it changes, not by every heartbeat. */
  presence: defineTable({
    workerId: v.id("workers"),
    phase: v.string(),
    online: v.boolean()
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

  sessions: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    opencodeSessionId: v.optional(v.string()),
    /** OpenCode has deleted its session, and no turn has announced that yet. */
    historyLost: v.optional(v.literal(true)),
    /** Archived in OpenCode. */
    archived: v.optional(v.literal(true)),
    /** OpenCode's id of the first undone message. OpenCode can restore it until the next prompt. */
    revertedFrom: v.optional(v.string()),
    title: v.string(),
    /** The source of the title. It can be replaced by the same or a later source in this order. */
    titleSource: v.union(v.literal("default"), v.literal("prompt"), v.literal("opencode"), v.literal("operator")),
    origin: v.union(v.literal("operator"), v.literal("opencode")),
    /** `deleting`: until it is deleted in OpenCode, and all of its rows in the deployment. */
    status: v.union(v.literal("idle"), v.literal("running"), v.literal("deleting")),
    lastActivityAt: v.number(),
    /** Of the operator who created it; absent if it came from OpenCode. */
    idempotencyKey: v.optional(v.string())
  })
    .index("by_owner_activity", ["ownerId", "lastActivityAt"])
    .index("by_owner_worker_activity", ["ownerId", "workerId", "lastActivityAt"])
    .index("by_owner_key", ["ownerId", "idempotencyKey"])
    .index("by_worker_opencode", ["workerId", "opencodeSessionId"]),

  turns: defineTable({
    sessionId: v.id("sessions"),
    workerId: v.id("workers"),
    ownerId: v.string(),
    /** Defines the order in its session. Whole numbers for turns of operators, others for turns of OpenCode between them. */
    seq: v.number(),
    text: v.string(),
    /** As in the prompt, `provider/model`; absent if OpenCode chooses. */
    model: v.optional(v.string()),
    agent: v.optional(v.string()),
    /** Absent if there is no answer, or the turn has not ended. */
    answeredBy: v.optional(turnAnsweredBy),
    status: v.union(
      v.literal("queued"),
      v.literal("claimed"),
      v.literal("running"),
      ...turnOutcome.members,
      v.literal("expired")
    ),
    /** Queued, and all earlier turns of its session are finished. */
    ready: v.boolean(),
    /** Whether the status is final. */
    finished: v.boolean(),
    /** The epoch of the claim, and the OpenCode ids of the prompt, which do not change if it is sent again. */
    epoch: v.optional(v.number()),
    messageId: v.optional(v.string()),
    partId: v.optional(v.string()),
    /** Set by an abort or deletion after the claim: the turn is not run again. Its worker subscribes to this. */
    abortRequested: v.optional(v.literal(true)),
    error: v.optional(turnError),
    usage: v.optional(turnUsage),
    /** Milliseconds; absent for turns of operators, where it is the row's creation time. */
    askedAt: v.optional(v.number()),
    finishedAt: v.optional(v.number()),
    /** Of the operator who sent it; absent if it came from OpenCode. */
    idempotencyKey: v.optional(v.string())
  })
    .index("by_session", ["sessionId", "seq"])
    .index("by_session_finished", ["sessionId", "finished", "seq"])
    .index("by_session_key", ["sessionId", "idempotencyKey"])
    .index("by_session_message", ["sessionId", "messageId"])
    .index("by_status", ["status"])
    .index("by_worker_ready", ["workerId", "status", "ready"])
    .index("by_worker_abort", ["workerId", "finished", "abortRequested"])
    .index("by_worker_epoch", ["workerId", "status", "epoch"]),

  /** Final parts. A payload that is too long for one row continues in the next `chunk`. */
  parts: defineTable({
    turnId: v.id("turns"),
    index: v.number(),
    chunk: v.number(),
    kind: v.string(),
    payload: v.string()
  })
    .index("by_turn", ["turnId", "index", "chunk"])
    .index("by_turn_chunk", ["turnId", "chunk", "index"]),

  deltas: defineTable({
    turnId: v.id("turns"),
    seq: v.number(),
    segments: v.array(segment)
  }).index("by_turn", ["turnId", "seq"]),

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
  }).index("by_request", ["requestId", "chunk"]),

  /** The models of a worker. A catalogue that is too long for one row continues in the next `chunk`. */
  modelCatalogs: defineTable({
    workerId: v.id("workers"),
    hash: v.string(),
    /** `provider/model`; null if OpenCode has no default. */
    default: v.union(v.string(), v.null()),
    chunk: v.number(),
    models: v.string()
  }).index("by_worker", ["workerId", "chunk"]),

  /** Until when a client watches the session, in milliseconds. In no list, because it is written repeatedly. */
  viewers: defineTable({
    sessionId: v.id("sessions"),
    until: v.number()
  }).index("by_session", ["sessionId"]),

  /** The time up to which the changes of OpenCode's sessions are synced, in milliseconds of the worker's clock. */
  syncCursors: defineTable({
    workerId: v.id("workers"),
    watermark: v.number()
  }).index("by_worker", ["workerId"]),

  commands: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    command,
    status: v.union(v.literal("queued"), v.literal("done"), v.literal("failed")),
    /** The reason of a failure. */
    error: v.optional(v.string()),
    /** Of the worker when it was created. */
    epoch: v.number(),
    finishedAt: v.optional(v.number()),
    idempotencyKey: v.string()
  })
    .index("by_worker_status", ["workerId", "status"])
    .index("by_worker_status_kind", ["workerId", "status", "command.kind", "command.sessionId"])
    .index("by_owner_key", ["ownerId", "idempotencyKey"]),

  /** Security-relevant actions, at their `_creationTime`. */
  audit: defineTable({
    /** An operator's `tokenIdentifier`, or the worker's id. */
    actorId: v.string(),
    action: v.union(
      v.literal("approve"),
      v.literal("revoke"),
      v.literal("answer"),
      v.literal("apply"),
      v.literal("rotate")
    ),
    workerId: v.id("workers"),
    /** Details that the action does not imply. */
    detail: v.optional(v.string())
  }).index("by_worker", ["workerId"])
}

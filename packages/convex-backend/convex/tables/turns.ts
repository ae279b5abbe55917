import { defineTable } from "convex/server"
import { v } from "convex/values"
import { outlineEntry, segment, turnAnsweredBy, turnBudget, turnError, turnOutcome, turnUsage } from "../validators.ts"

export const turnsTables = {
  turns: defineTable({
    sessionId: v.id("sessions"),
    workerId: v.id("workers"),
    ownerId: v.string(),
    /** Defines the order in its session. Whole numbers for turns of operators, others for turns of OpenCode between them. */
    seq: v.number(),
    /** The first characters of the prompt; all of it, if `length` is that of `head`. */
    head: v.string(),
    /** Of the prompt, in UTF-16 code units. */
    length: v.number(),
    /** As in the prompt, `provider/model`; absent if OpenCode chooses. */
    model: v.optional(v.string()),
    agent: v.optional(v.string()),
    /** A variant of the model, such as a reasoning effort. */
    variant: v.optional(v.string()),
    /** Sent while a turn of its session ran: it is delivered into that turn. Absent for all others. */
    delivery: v.optional(v.literal("steer")),
    /** An operator has changed the prompt after it was sent. */
    edited: v.optional(v.literal(true)),
    /** Milliseconds in which its requests must be answered; null: no limit. Absent: the worker's own limit. */
    askTimeout: v.optional(v.union(v.number(), v.null())),
    /** The command of OpenCode that the prompt runs: its text is `/name arguments`. */
    command: v.optional(v.string()),
    budget: v.optional(turnBudget),
    /** Files attached to the prompt; absent if there are none. */
    fileCount: v.optional(v.number()),
    /** Absent if there is no answer, or the turn has not ended. */
    answeredBy: v.optional(turnAnsweredBy),
    status: v.union(
      v.literal("queued"),
      v.literal("claimed"),
      v.literal("running"),
      ...turnOutcome.members,
      v.literal("expired")
    ),
    /** Queued, and all earlier turns of its session are finished; for a steering prompt, they are delivered. */
    ready: v.boolean(),
    /** Whether the status is final. */
    finished: v.boolean(),
    /** The epoch of the claim, and the OpenCode ids of the prompt, which do not change if it is sent again. */
    epoch: v.optional(v.number()),
    messageId: v.optional(v.string()),
    partId: v.optional(v.string()),
    /** The OpenCode session whose record had the turn when it ended. Absent: it is not known to have had it. */
    opencodeSessionId: v.optional(v.string()),
    /** Set by an abort or deletion after the claim: the turn is not run again. Its worker subscribes to this. */
    abortRequested: v.optional(v.literal(true)),
    error: v.optional(turnError),
    usage: v.optional(turnUsage),
    /** Milliseconds; absent for turns of operators, where it is the row's creation time. */
    askedAt: v.optional(v.number()),
    finishedAt: v.optional(v.number()),
    /** Entries of the outline; absent if there are none. */
    parts: v.optional(v.number()),
    /** Of the operator who sent it; absent if it came from OpenCode. */
    idempotencyKey: v.optional(v.string())
  })
    .index("by_session", ["sessionId", "seq"])
    .index("by_session_finished", ["sessionId", "finished", "seq"])
    .index("by_session_status", ["sessionId", "status", "seq"])
    .index("by_session_key", ["sessionId", "idempotencyKey"])
    .index("by_session_message", ["sessionId", "messageId"])
    .index("by_status", ["status"])
    .index("by_worker_ready", ["workerId", "status", "ready"])
    .index("by_worker_abort", ["workerId", "finished", "abortRequested"])
    .index("by_worker_epoch", ["workerId", "status", "epoch"]),

  /** The whole text of prompts that are longer than their head. In no list. */
  prompts: defineTable({
    turnId: v.id("turns"),
    text: v.string()
  }).index("by_turn", ["turnId"]),

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

  /** One row per part that a reader sees: what a list shows of it. */
  outlines: defineTable({ turnId: v.id("turns"), ...outlineEntry.fields }).index("by_turn", ["turnId", "index"]),

  deltas: defineTable({
    turnId: v.id("turns"),
    seq: v.number(),
    segments: v.array(segment)
  }).index("by_turn", ["turnId", "seq"])
}

/**
 * The tables. Spread them into your own schema, or deploy this folder as it is.
 *
 * Invariants
 * - What changes often is in a row of its own: a heartbeat writes `leases`, a streamed batch inserts into `deltas`, and
 *   no list reads either.
 * - A session's turns run one after another in the order of `seq`: among its unfinished turns only the first can be
 *   `ready`, `claimed` or `running`.
 * - A turn has deltas and open requests only while it is unfinished, and parts only when it is finished.
 *
 * @since 0.1.0
 */
import { defineTable } from "convex/server"
import { v } from "convex/values"

/** What a person is told about a failed turn. */
export const turnError = v.object({ name: v.string(), message: v.string() })

/** Tokens, and cost in US dollars. */
export const turnUsage = v.object({
  input: v.number(),
  output: v.number(),
  reasoning: v.number(),
  cost: v.number()
})

/** Who answered a turn: the model (`provider/model`), its variant if one was used, and the agent. */
export const turnAnsweredBy = v.object({ model: v.string(), agent: v.string(), variant: v.optional(v.string()) })

/** How a turn can end by the worker's word. `expired` is the server's. */
export const turnOutcome = v.union(
  v.literal("completed"),
  v.literal("failed"),
  v.literal("aborted"),
  v.literal("interrupted")
)

/**
 * Streamed text of one part, not yet final. A `notice` is what the turn waits for, in words: it holds until the turn's next
 * segment.
 */
export const segment = v.object({
  partId: v.string(),
  kind: v.union(v.literal("text"), v.literal("reasoning"), v.literal("tool"), v.literal("notice")),
  text: v.string()
})

/** Who asks: the root agent first, then each sub-agent with the task that it was given. */
export const requestAskedBy = v.array(v.object({ agent: v.string(), task: v.union(v.string(), v.null()) }))

/** What an `always` answer would cover, as a phrase that completes "always allow …". Null: it cannot be given. */
export const requestAlways = v.union(v.object({ label: v.string() }), v.null())

/** One piece of what a permission is asked for, whole. `format` is how `text` is to be displayed. */
export const requestSection = v.object({
  name: v.string(),
  format: v.union(v.literal("command"), v.literal("diff"), v.literal("json"), v.literal("text")),
  text: v.string()
})

export const requestQuestion = v.object({
  question: v.string(),
  header: v.string(),
  options: v.array(v.object({ label: v.string(), description: v.string() })),
  /** Several options can be chosen. */
  multiple: v.boolean(),
  /** An answer in the person's own words is accepted. */
  custom: v.boolean()
})

/** Everything that a person must see before they answer. `permission` is the agent's name of it, such as `bash`. */
export const requestContent = v.union(
  v.object({ kind: v.literal("permission"), permission: v.string(), sections: v.array(requestSection) }),
  v.object({ kind: v.literal("question"), questions: v.array(requestQuestion) })
)

/** Answers to a request: the first three to a permission, the last two to a question. */
export const requestAnswer = v.union(
  v.object({ type: v.literal("once") }),
  /** Also for later requests of the same scope in this conversation, while the worker's process runs. */
  v.object({ type: v.literal("always") }),
  /** With a message the model goes on and reads it; without one the turn ends. */
  v.object({ type: v.literal("reject"), message: v.optional(v.string()) }),
  /** For each question the chosen labels, or free text. */
  v.object({ type: v.literal("answers"), answers: v.array(v.array(v.string())) }),
  /** Ends the turn. */
  v.object({ type: v.literal("dismiss") })
)

/** What an operator can tell a worker to do. */
export const command = v.union(
  v.object({ kind: v.literal("rename"), sessionId: v.id("sessions"), title: v.string() }),
  v.object({ kind: v.literal("delete"), sessionId: v.id("sessions") }),
  v.object({ kind: v.literal("loadHistory"), sessionId: v.id("sessions") }),
  v.object({ kind: v.literal("refreshModels") }),
  v.object({ kind: v.literal("pause") }),
  v.object({ kind: v.literal("resume") }),
  v.object({ kind: v.literal("drain") })
)

/**
 * @category schemas
 * @since 0.1.0
 */
export const tables = {
  workers: defineTable({
    ownerId: v.string(),
    machine: v.string(),
    directory: v.string(),
    /** SHA-256 of the worker's secret, hexadecimal. The secret itself never comes here. */
    secretHash: v.string(),
    approval: v.union(v.literal("approved"), v.literal("revoked")),
    /** The fencing number: raised when a lease is acquired or released. Writes under a lower one are refused. */
    epoch: v.number()
  }).index("by_owner_approval", ["ownerId", "approval"]),

  /** What lists show of a worker. Written when it changes, never by a mere heartbeat. */
  presence: defineTable({
    workerId: v.id("workers"),
    phase: v.string(),
    online: v.boolean()
  }).index("by_worker", ["workerId"]),

  /** Who may write as a worker, and until when. Written by every heartbeat. */
  leases: defineTable({
    workerId: v.id("workers"),
    processId: v.string(),
    /** Milliseconds of the server's clock. */
    expiresAt: v.number()
  }).index("by_worker", ["workerId"]),

  pairings: defineTable({
    /** Without its dash. */
    code: v.string(),
    machine: v.string(),
    directory: v.string(),
    secretHash: v.string(),
    status: v.union(v.literal("pending"), v.literal("approved"), v.literal("expired")),
    /** Where the worker called from, where the deployment knows it. */
    address: v.optional(v.string()),
    expiresAt: v.number(),
    workerId: v.optional(v.id("workers"))
  })
    .index("by_code", ["code"])
    .index("by_status", ["status"]),

  /** How many pairings wait for approval: one row, so that a refusal reads no more than that. */
  pendingPairings: defineTable({ count: v.number() }),

  /** How many codes an operator got wrong: one row an operator, made anew for each window. */
  wrongCodes: defineTable({
    operatorId: v.string(),
    /** The first of them. Milliseconds of the server's clock. */
    since: v.number(),
    count: v.number()
  }).index("by_operator", ["operatorId"]),

  sessions: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    opencodeSessionId: v.optional(v.string()),
    /** OpenCode has deleted the one that it was, and no turn has told its reader so since. */
    lost: v.optional(v.literal(true)),
    /** OpenCode has it archived. */
    archived: v.optional(v.literal(true)),
    /** OpenCode has undone everything from this message on, by OpenCode's id, and can restore it until the next prompt. */
    revertedFrom: v.optional(v.string()),
    title: v.string(),
    /** Who gave the title; a later one in this order may replace it, an earlier one may not. */
    titledBy: v.union(v.literal("nobody"), v.literal("prompt"), v.literal("opencode"), v.literal("operator")),
    origin: v.union(v.literal("operator"), v.literal("opencode")),
    /** `deleting`: until the worker has deleted it in OpenCode, and all that belongs to it is gone here. */
    status: v.union(v.literal("idle"), v.literal("running"), v.literal("deleting")),
    lastActivityAt: v.number(),
    /** Of the operator who created it; absent: it came from OpenCode. */
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
    /** Only its order means something, in its session: whole numbers as asked here, others where OpenCode had more between. */
    seq: v.number(),
    text: v.string(),
    /** As the prompt names them, `provider/model`; absent: OpenCode chooses. */
    model: v.optional(v.string()),
    agent: v.optional(v.string()),
    /** Absent: nothing was answered, or the turn has not ended. */
    answeredBy: v.optional(turnAnsweredBy),
    status: v.union(
      v.literal("queued"),
      v.literal("claimed"),
      v.literal("running"),
      ...turnOutcome.members,
      v.literal("expired")
    ),
    /** Queued, and nothing before it in its session is unfinished. */
    ready: v.boolean(),
    /** In a final status. */
    finished: v.boolean(),
    /** The epoch of the claim, with the OpenCode ids that this turn's prompt has, however often it is sent. */
    epoch: v.optional(v.number()),
    messageId: v.optional(v.string()),
    partId: v.optional(v.string()),
    /** The operator stopped it, or deletes its session, after its claim: it is not run again. Its worker subscribes to this. */
    abortRequested: v.optional(v.literal(true)),
    error: v.optional(turnError),
    usage: v.optional(turnUsage),
    /** Milliseconds; absent: the row's own time, because it was asked here. */
    askedAt: v.optional(v.number()),
    finishedAt: v.optional(v.number()),
    /** Of the operator who asked; absent: it came from OpenCode. */
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

  /** Final parts. A payload too long for one row goes on in the next `chunk`. */
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

  /** Permissions and questions that wait for a person. A stored request does not change, apart from its status. */
  requests: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    sessionId: v.id("sessions"),
    turnId: v.id("turns"),
    /** OpenCode's id of the request. */
    opencodeId: v.string(),
    kind: v.union(v.literal("permission"), v.literal("question")),
    /** The agent's name of the permission, such as `bash`; null: a question. */
    permission: v.union(v.string(), v.null()),
    /** One line; ends with … where it was cut. */
    subject: v.string(),
    askedBy: requestAskedBy,
    /** The working directory of the call. */
    directory: v.string(),
    always: requestAlways,
    /** Characters of the whole content as JSON. */
    size: v.number(),
    status: v.union(v.literal("pending"), v.literal("answered"), v.literal("expired"), v.literal("cancelled")),
    /** The worker is not done with it: it waits for an answer, or for the worker to forward one. */
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

  /** The content of a request as JSON, in pieces. In no list; deleted with the request. */
  requestContents: defineTable({
    requestId: v.id("requests"),
    chunk: v.number(),
    text: v.string()
  }).index("by_request", ["requestId", "chunk"]),

  /** What a worker offers. A catalogue too long for one row goes on in the next `chunk`. */
  modelCatalogs: defineTable({
    workerId: v.id("workers"),
    hash: v.string(),
    /** `provider/model`; null: OpenCode says none. */
    default: v.union(v.string(), v.null()),
    chunk: v.number(),
    models: v.string()
  }).index("by_worker", ["workerId", "chunk"]),

  /** Until when somebody reads along, in milliseconds. In no list, because every reader writes it again and again. */
  watches: defineTable({
    sessionId: v.id("sessions"),
    until: v.number()
  }).index("by_session", ["sessionId"]),

  /** Up to when a worker has told the changes of OpenCode's sessions, in milliseconds of its clock. */
  syncCursors: defineTable({
    workerId: v.id("workers"),
    watermark: v.number()
  }).index("by_worker", ["workerId"]),

  commands: defineTable({
    ownerId: v.string(),
    workerId: v.id("workers"),
    command,
    status: v.union(v.literal("queued"), v.literal("done"), v.literal("failed")),
    /** Why it failed. */
    error: v.optional(v.string()),
    /** The worker's when it was issued. */
    epoch: v.number(),
    finishedAt: v.optional(v.number()),
    idempotencyKey: v.string()
  })
    .index("by_worker_status", ["workerId", "status"])
    .index("by_worker_status_kind", ["workerId", "status", "command.kind", "command.sessionId"])
    .index("by_owner_key", ["ownerId", "idempotencyKey"]),

  /** Security-relevant acts: `_creationTime` says when. */
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
    /** What was done, where the action alone does not say it. */
    detail: v.optional(v.string())
  }).index("by_worker", ["workerId"])
}

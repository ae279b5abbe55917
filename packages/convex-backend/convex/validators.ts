/** Validators that tables and functions share. */
import { type Infer, v } from "convex/values"

/** The calls that a device may make: queries; also answers to requests; also everything else. */
export const scope = v.union(v.literal("read"), v.literal("approve"), v.literal("operate"))
export type Scope = Infer<typeof scope>

/** Coordinates of a P-256 public key, base64url. */
export const publicKey = v.object({ x: v.string(), y: v.string() })

/** The facts that a worker reports of itself and its machine. Null: not known, or not there. */
export const workerInfo = v.object({
  /** Of opencode-worker. */
  version: v.string(),
  /** `state`: such as `stopped`, `starting`, `running`, `failed`. */
  opencode: v.object({ version: v.union(v.string(), v.null()), state: v.string() }),
  /** The checked-out git branch of the directory, or the commit. */
  branch: v.union(v.string(), v.null()),
  /** The permission mode. */
  permissions: v.string(),
  /** Whether it runs shell commands of operators. */
  shell: v.boolean(),
  /** Free bytes of the disk of the directory, and the bytes of OpenCode's database. Both are rounded. */
  diskFree: v.union(v.number(), v.null()),
  databaseBytes: v.union(v.number(), v.null())
})

/** The part of a turn that a search finds: its prompt, the texts of its answer, the titles of its tool calls, or paths of files. */
export const searchKind = v.union(v.literal("prompt"), v.literal("answer"), v.literal("tool"), v.literal("path"))
export type SearchKind = Infer<typeof searchKind>

/** The error of a failed turn, for the operator. */
export const turnError = v.object({ name: v.string(), message: v.string() })

/** Tokens, and cost in US dollars. */
export const turnUsage = v.object({
  input: v.number(),
  output: v.number(),
  reasoning: v.number(),
  cost: v.number(),
  cacheRead: v.optional(v.number()),
  cacheWrite: v.optional(v.number()),
  /** In the context of the last answer. */
  context: v.optional(v.number())
})

/** The use at which a turn is stopped: US dollars, and tokens without cache reads. */
export const turnBudget = v.object({ cost: v.optional(v.number()), tokens: v.optional(v.number()) })

/** Sums of usage over turns. */
export const usageSum = {
  turns: v.number(),
  input: v.number(),
  output: v.number(),
  reasoning: v.number(),
  cacheRead: v.number(),
  cacheWrite: v.number(),
  cost: v.number()
}

/** The kinds of what waits for an operator, in the order of a list. */
export const inboxKind = v.union(
  v.literal("asked"),
  v.literal("gone"),
  v.literal("failed"),
  v.literal("interrupted"),
  v.literal("finished")
)

/** What the directory of a worker offers to prompts. Absent fields: OpenCode knows none. */
export const catalogEntries = {
  /** `mode`: `primary` for prompts, `subagent` for the task tool, or `all`. `model`: `provider/model`. */
  agents: v.array(
    v.object({
      name: v.string(),
      mode: v.string(),
      description: v.optional(v.string()),
      model: v.optional(v.string()),
      hidden: v.optional(v.boolean())
    })
  ),
  /** `source`: `command`, `mcp` or `skill`. `subtask`: a sub-agent runs it. */
  commands: v.array(
    v.object({
      name: v.string(),
      description: v.optional(v.string()),
      agent: v.optional(v.string()),
      model: v.optional(v.string()),
      source: v.optional(v.string()),
      subtask: v.optional(v.boolean())
    })
  ),
  skills: v.array(v.object({ name: v.string(), description: v.optional(v.string()) }))
}

/** The protocols by which notifications are sent, except to subscriptions of browsers (`push`). */
export const notifyKind = v.union(v.literal("webhook"), v.literal("ntfy"))

/** The model (`provider/model`) that answered a turn, its variant if one was used, and the agent. */
export const turnAnsweredBy = v.object({ model: v.string(), agent: v.string(), variant: v.optional(v.string()) })

/** The final statuses that a worker reports. `expired` is set by the deployment. */
export const turnOutcome = v.union(
  v.literal("completed"),
  v.literal("failed"),
  v.literal("aborted"),
  v.literal("interrupted")
)

/** An entry of the agent's list. */
export const todo = v.object({ content: v.string(), status: v.string(), priority: v.string() })

/** Files, and lines in them, that a turn changed. */
export const changeTotals = v.object({ files: v.number(), additions: v.number(), deletions: v.number() })

/** Tokens of the last step, and the size of its model's context, if it is known. */
export const contextUse = v.object({ tokens: v.number(), limit: v.optional(v.number()) })

/**
 * Streamed text of one part: `text` and `reasoning` continue it. `tool`, `notice`, `progress` (of a sub-agent) and `todos`
 * replace the segment before of the same part; all of these but notices are JSON. `output` continues the output of a
 * running tool; a reader shows its end. A `notice` states the reason for which the turn waits, perhaps `until` a time in
 * milliseconds; it is valid until the next segment of the turn.
 */
export const segment = v.object({
  partId: v.string(),
  kind: v.union(
    v.literal("text"),
    v.literal("reasoning"),
    v.literal("tool"),
    v.literal("output"),
    v.literal("progress"),
    v.literal("todos"),
    v.literal("notice")
  ),
  text: v.string(),
  /** Of a notice. */
  name: v.optional(v.string()),
  until: v.optional(v.number())
})

/** A final part in an outline. At most 300 bytes as JSON. */
export const outlineEntry = v.object({
  index: v.number(),
  /** OpenCode's id of the part, or its index. */
  id: v.string(),
  kind: v.string(),
  /** Of the payload in UTF-8. */
  bytes: v.number(),
  /** The beginning of its text; of a tool call, of its error or arguments. */
  head: v.string(),
  tool: v.optional(v.string()),
  /** OpenCode's title of a tool call, or the name of a file. */
  title: v.optional(v.string()),
  /** Of a tool call: `completed` or `error`. */
  status: v.optional(v.string()),
  /** Milliseconds. */
  duration: v.optional(v.number()),
  /** OpenCode's session of the sub-agent that a tool call started. */
  child: v.optional(v.string()),
  /** The number of files that a tool call returned, if it did. */
  files: v.optional(v.number())
})

/** The requesting agents: the root agent first, then each sub-agent with its task. */
export const requestAskedBy = v.array(v.object({ agent: v.string(), task: v.union(v.string(), v.null()) }))

/** The scope of an approval for later requests, as a phrase that completes "allow …". Null if it cannot be described. */
export const requestAlways = v.union(v.object({ label: v.string() }), v.null())

/** One complete section of a permission request. `format`: how to display `text`. */
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
  /** Free text is accepted. */
  custom: v.boolean()
})

/** Everything that an operator must see before the answer. `permission`: its name in the agent, such as `bash`. */
export const requestContent = v.union(
  v.object({ kind: v.literal("permission"), permission: v.string(), sections: v.array(requestSection) }),
  v.object({ kind: v.literal("question"), questions: v.array(requestQuestion) })
)

/** Answers to a request: the last two to a question, the others to a permission. */
export const requestAnswer = v.union(
  v.object({ type: v.literal("once") }),
  /** These three also allow later requests of the same scope: in this turn, in this session, with this worker. */
  v.object({ type: v.literal("turn") }),
  v.object({ type: v.literal("session") }),
  v.object({ type: v.literal("always") }),
  /** With a message, the model reads it and continues; without one, the turn ends. */
  v.object({ type: v.literal("reject"), message: v.optional(v.string()) }),
  /** For each question the chosen labels, or free text. */
  v.object({ type: v.literal("answers"), answers: v.array(v.array(v.string())) }),
  /** Ends the turn. */
  v.object({ type: v.literal("dismiss") })
)

/** A file that a turn changed. `hash`: SHA-256 of its content when the turn ended; null if there was none, or it is not known. */
export const fileChange = v.object({
  file: v.string(),
  status: v.union(v.literal("added"), v.literal("modified"), v.literal("deleted")),
  additions: v.number(),
  deletions: v.number(),
  hash: v.union(v.string(), v.null())
})

/** How an undo or redo treats files that were changed since: those in neither list prevent it. */
const changedFiles = { skip: v.array(v.string()), force: v.array(v.string()), preview: v.boolean() }

/** The queries of operators to workers. `base`: the last commit, or the start of the branch. */
export const query = v.union(
  v.object({ kind: v.literal("findFiles"), text: v.string() }),
  v.object({ kind: v.literal("readFile"), path: v.string() }),
  v.object({ kind: v.literal("subAgent"), agentSessionId: v.string() }),
  v.object({ kind: v.literal("vcs") }),
  v.object({ kind: v.literal("diff"), base: v.union(v.literal("commit"), v.literal("branch")) }),
  v.object({ kind: v.literal("status") })
)

/** The commands of operators to workers. */
export const command = v.union(
  v.object({ kind: v.literal("rename"), sessionId: v.id("sessions"), title: v.string() }),
  v.object({ kind: v.literal("delete"), sessionId: v.id("sessions") }),
  v.object({ kind: v.literal("loadHistory"), sessionId: v.id("sessions") }),
  v.object({ kind: v.literal("undo"), sessionId: v.id("sessions"), turnId: v.id("turns"), ...changedFiles }),
  v.object({ kind: v.literal("redo"), sessionId: v.id("sessions"), force: v.boolean(), preview: v.boolean() }),
  v.object({ kind: v.literal("fork"), sessionId: v.id("sessions"), turnId: v.optional(v.id("turns")) }),
  v.object({ kind: v.literal("compact"), sessionId: v.id("sessions") }),
  v.object({ kind: v.literal("shell"), sessionId: v.id("sessions"), line: v.string() }),
  v.object({ kind: v.literal("refreshModels") }),
  v.object({ kind: v.literal("pause") }),
  v.object({ kind: v.literal("resume") }),
  v.object({ kind: v.literal("drain") })
)

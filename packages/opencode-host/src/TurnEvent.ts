/**
 * The events of a turn.
 */
import type { Todo, ToolPart } from "@opencode-ai/sdk/v2/client"
import type { AssistantWithParts } from "./OpenCodeClient.ts"
import type { OpenCodeRequest } from "./OpenCodeRequest.ts"

/**
 * How a turn ended. `interrupted`: the server died in it, or nothing says how it ended; it is never run again by itself.
 */
export type TurnOutcome = "completed" | "failed" | "aborted" | "interrupted"

export interface TurnFailure {
  /** OpenCode's name for it (`APIError`, `ProviderAuthError`, …) or ours (`DeadlineExceeded`, `ServerDied`, `Rejected`). */
  readonly name: string
  readonly message: string
  /** HTTP status of the model provider, where there was one. */
  readonly statusCode?: number
}

/**
 * Sums over all model steps of the turn and of its sub-agents: tokens, and cost in US dollars as OpenCode computes it.
 */
export interface TurnUsage {
  readonly input: number
  readonly output: number
  readonly reasoning: number
  readonly cacheRead: number
  readonly cacheWrite: number
  /** Tokens in the context of the last answer; no sum. */
  readonly context: number
  readonly cost: number
}

/**
 * OpenCode shows the prompt with its parts: it survives a crash from here on, and must not be sent again.
 */
interface Delivered {
  readonly _tag: "Delivered"
}

/**
 * The server exited before it had stored the prompt. The prompt is sent to the next server, under the same ids.
 */
interface DeliveryRetried {
  readonly _tag: "DeliveryRetried"
  readonly message: string
}

/**
 * Text that was streamed, in order. Never final: a retry may replace it (see `visibleParts`).
 */
interface TextDelta {
  readonly _tag: "TextDelta"
  readonly messageId: string
  readonly partId: string
  readonly kind: "text" | "reasoning"
  readonly delta: string
}

/**
 * A tool call changed: pending → running → completed or error. `part.callID` distinguishes calls.
 */
interface ToolUpdated {
  readonly _tag: "ToolUpdated"
  readonly part: ToolPart
}

/**
 * Text that a running tool added to its output. It begins with `…` and a new line where some is missing.
 */
interface ToolOutput {
  readonly _tag: "ToolOutput"
  readonly partId: string
  readonly text: string
}

/**
 * A sub-agent works: `tools` is the number of its tool calls so far, `current` the name and the title of the newest one. It
 * starts and ends with the `ToolUpdated` of the call `partId`, whose `state.metadata.sessionId` is its session.
 */
interface SubAgentUpdated {
  readonly _tag: "SubAgentUpdated"
  readonly partId: string
  readonly sessionId: string
  readonly tools: number
  readonly current: string
}

/**
 * The agent replaced its list.
 */
interface TodosUpdated {
  readonly _tag: "TodosUpdated"
  readonly todos: ReadonlyArray<Todo>
}

/**
 * The provider failed and OpenCode will ask it again at `next` (epoch ms). Text streamed in the failed try is void.
 */
interface RetryScheduled {
  readonly _tag: "RetryScheduled"
  readonly attempt: number
  readonly message: string
  readonly next: number
}

/**
 * OpenCode makes room: it replaces the older part of the conversation by a summary, and then goes on with the turn. The
 * summary is no text of the turn. One that fails ends the turn; a short one may be seen as completed only.
 */
export interface Compaction {
  readonly _tag: "Compaction"
  /** Of the summary. */
  readonly messageId: string
  readonly state: "running" | "completed"
}

/**
 * The agent, or one of its sub-agents (then `request.sessionID` is the child's), waits for a reply
 * (`OpenCodeHost.reply`).
 */
interface RequestOpened {
  readonly _tag: "RequestOpened"
  readonly request: OpenCodeRequest
}

/**
 * The agent no longer waits: the request was replied to, here or elsewhere, or its tool was aborted. Each request that
 * was opened is closed before `Ended`.
 */
interface RequestClosed {
  readonly _tag: "RequestClosed"
  readonly requestId: string
}

/**
 * The last element. Without a `Delivered` before it, OpenCode has refused the prompt. `messages` are
 * the turn's assistant messages as OpenCode has stored them, oldest first; those with `info.summary` are summaries, no answers.
 */
export interface Ended {
  readonly _tag: "Ended"
  readonly outcome: TurnOutcome
  readonly error: TurnFailure | undefined
  readonly messages: ReadonlyArray<AssistantWithParts>
  readonly usage: TurnUsage
  /** The model answers a later prompt (`TurnInput.steer`): the turn has what came before. */
  readonly takenOver: boolean
}

export type TurnEvent =
  | Delivered
  | DeliveryRetried
  | TextDelta
  | ToolUpdated
  | ToolOutput
  | SubAgentUpdated
  | TodosUpdated
  | RetryScheduled
  | Compaction
  | RequestOpened
  | RequestClosed
  | Ended

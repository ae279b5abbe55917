/**
 * The port to a coding agent. Implement it, and `TurnScheduler` runs its turns durably, streamed and fenced.
 * `@opencode-worker/convex-sync/testing` has a scripted agent and the checks that every implementation passes.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { AgentError } from "./AgentError.ts"
import type { Answer, OpenedRequest } from "./RequestStore.ts"
import type { SessionSource } from "./SessionSource.ts"
import type { FinalPart, StreamedPart, TurnResult } from "./TurnResult.ts"

/** The ids of one prompt in the agent, stored with the claim. The same ids make one message, however often it is sent. */
export interface PromptIds {
  readonly messageId: string
  readonly partId: string
}

/** A file that the operator attached. `type`: a media type without parameters, as the operator's client named it. */
export interface PromptFile {
  readonly name: string
  readonly type: string
  readonly bytes: Uint8Array
}

/** A prompt of a turn. */
export interface Prompt extends PromptIds {
  readonly text: string
  /** At most 10, with 20 MiB together. An agent that cannot pass one on fails before `Delivered`. */
  readonly files: ReadonlyArray<PromptFile>
  /** `provider/model` as the operator named it. Null: the agent chooses. */
  readonly model: string | null
  /** Null: the agent chooses. */
  readonly agent: string | null
  /** A variant of the model, such as a reasoning effort. Null: the agent chooses. */
  readonly variant: string | null
  /** A command of the agent, and then `text` is `/name arguments`. Null: `text` is a prompt. It is sent once: see `Delivered`. */
  readonly command: string | null
  /** The agent stops the turn, as `aborted`, when its use exceeds one of them: US dollars, or tokens without cache reads. */
  readonly budget: { readonly cost?: number; readonly tokens?: number } | null
  /**
   * `steer`: another turn of the session may run. Deliver the prompt into it: that turn ends as completed with what it had,
   * and this one takes over. An agent that cannot do this fails with `Busy` until the other turn has ended.
   */
  readonly delivery: "queue" | "steer"
}

/** A prompt that was sent earlier, perhaps by another process. */
export interface PromptRef {
  readonly agentSessionId: string
  readonly messageId: string
  /** A session whose request waits for a reply is not stopped: the state is `Asking`. Default: false. */
  readonly leavesAsking?: boolean
}

/** A conversation of the deployment, as an agent needs it. */
export interface Conversation {
  readonly sessionId: Id<"sessions">
  readonly read: Effect.Effect<
    {
      /** The agent's session, as `link` stored it. Null: none yet, or the agent has deleted it. */
      readonly agentSessionId: string | null
      readonly title: string
      /** The agent lost the session, and no turn has reported that yet. */
      readonly historyLost: boolean
      /** Milliseconds since 1970. */
      readonly createdAt: number
    },
    AgentError
  >
  /** Stores which session of the agent belongs to the conversation. Returns the title that the operator chose, or null. */
  readonly link: (agentSessionId: string) => Effect.Effect<{ readonly chosenTitle: string | null }, AgentError>
}

/** Everything that an operator must see of a request before they answer it. */
export interface RequestCard extends Pick<OpenedRequest, "subject" | "askedBy" | "directory" | "content"> {
  /**
   * The later requests that an approval covers: those with the same `scope` (at most 500 characters) in the turn, in the
   * session, or of the worker. `label` completes "allow …". Null: they cannot be described exactly, so only `once` is
   * possible.
   */
  readonly always: OpenedRequest["always"]
}

/**
 * A reply to a request. Approvals for later requests are kept by the deployment: the agent receives `once`. `unanswered`: the request was not answered by an operator. The agent continues without it, and reads the reason.
 */
export type RequestReply =
  | Exclude<Answer, { readonly type: "turn" | "session" | "always" }>
  | { readonly type: "unanswered"; readonly reason: string }

/** A permission or a question of the agent or one of its sub-agents. */
export interface AgentRequest {
  /** Unique in the worker. */
  readonly id: string
  readonly describe: Effect.Effect<RequestCard, AgentError>
  /** `closed`: the agent no longer waits for a reply, and this one had no effect. */
  readonly reply: (reply: RequestReply) => Effect.Effect<"replied" | "closed", AgentError>
}

/** The answer to a prompt, as the agent has stored it. */
export interface AgentAnswer extends Pick<TurnResult, "usage" | "answeredBy" | "context" | "changes"> {
  /** The final parts, completed by the text that was `streamed`: an agent that was cut short may not have stored the end. */
  readonly parts: (streamed: ReadonlyArray<StreamedPart>) => ReadonlyArray<FinalPart>
}

export interface SubAgent {
  /** The agent's id of the session. */
  readonly sessionId: string
  readonly agent: string
  readonly task: string
}

export interface Todo {
  readonly content: string
  readonly status: string
  readonly priority: string
}

/** How a turn ended. */
export type AgentEnd = Pick<TurnResult, "outcome" | "error">

export type AgentEvent =
  /** The agent has stored the prompt, or is about to run a command. It is never sent again. */
  | { readonly _tag: "Delivered" }
  | {
      readonly _tag: "TextDelta"
      readonly partId: string
      readonly kind: "text" | "reasoning"
      readonly text: string
    }
  /** `input` and `output` are previews; `output` is empty while the tool runs. */
  | {
      readonly _tag: "ToolProgress"
      readonly partId: string
      readonly tool: string
      readonly status: "running" | "completed" | "error"
      readonly title: string | null
      readonly input: string
      readonly output: string
      /** Milliseconds, of a tool that has ended. */
      readonly duration?: number
      /** The sub-agent that the tool started. */
      readonly child?: SubAgent
    }
  /** Text that a running tool added to its output. Its end is written while a client watches. */
  | { readonly _tag: "ToolOutput"; readonly partId: string; readonly text: string }
  /** The tool calls so far of the sub-agent that `partId` started, and the newest one. Written while a client watches. */
  | {
      readonly _tag: "SubAgentProgress"
      readonly partId: string
      readonly tools: number
      readonly current: string
    }
  /** The agent's whole list. */
  | { readonly _tag: "Todos"; readonly todos: ReadonlyArray<Todo> }
  /** A reason why the turn waits, perhaps `until` a time (milliseconds since 1970). It holds until the next event. */
  | {
      readonly _tag: "Notice"
      readonly id: string
      readonly text: string
      readonly name?: string
      readonly until?: number
    }
  | { readonly _tag: "RequestOpened"; readonly request: AgentRequest }
  /** Replied to elsewhere, or the agent no longer waits for it. */
  | { readonly _tag: "RequestClosed"; readonly requestId: string }
  /** The last event. */
  | ({ readonly _tag: "Ended" } & AgentEnd & AgentAnswer & Pick<TurnResult, "announcesLoss">)

export type Ended = Extract<AgentEvent, { readonly _tag: "Ended" }>

/**
 * The state of a prompt in the agent. `Unfinished`: it was stored, and has no end. `Asking`: a request of it waits for a reply,
 * and `run` follows it.
 */
export type PromptState =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Asking" }
  | { readonly _tag: "Unfinished" }
  | ({ readonly _tag: "Ended" } & AgentEnd)

export interface PromptRecord extends AgentAnswer {
  readonly state: PromptState
}

/** A conversation's session, for one user of `Agent.use` at a time: a turn, and the prompts that steer it. */
export interface AgentSession {
  /** The agent's id of the session. Null until the first `run` has opened it. */
  readonly id: Effect.Effect<string | null>
  /**
   * Sends the prompt and streams everything that happens until `Ended`, requests of sub-agents included. It fails only
   * before `Delivered`. A prompt that the agent already has is followed, not sent. Interrupting it aborts the turn, and may
   * abort those that run with it in the session; an agent that outlives this process may leave a turn whose request waits.
   */
  readonly run: (prompt: Prompt) => Stream.Stream<AgentEvent, AgentError>
  /** Stops the turns that `run` streams, which then end as `aborted`: one turn, and the prompts that steer it. */
  readonly abort: Effect.Effect<void, AgentError>
}

export class Agent extends Context.Service<
  Agent,
  {
    /** New ids for a prompt. */
    readonly promptIds: Effect.Effect<PromptIds>
    /**
     * Runs `f` with the session of a conversation. Waits for a free place: the number of places limits the turns that run
     * at once (20 at most), and turns are admitted in the order in which they came.
     */
    readonly use: <A, E, R>(
      conversation: Conversation,
      f: (session: AgentSession) => Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | AgentError, R>
    /** Reads what the agent has stored of a prompt. Stops the session first if it is still at work on it, and not on a later one. */
    readonly record: (prompt: PromptRef) => Effect.Effect<PromptRecord, AgentError>
    readonly sessions: SessionSource
  }
>()("@opencode-worker/convex-sync/Agent") {}

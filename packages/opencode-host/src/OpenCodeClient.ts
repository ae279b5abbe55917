/**
 * The calls of an OpenCode server that a program needs, as a port. `internal/client/client.ts` implements it.
 */
import type {
  Agent as ClassicAgent,
  AssistantMessage,
  Command as ClassicCommand,
  Part,
  PermissionRequest,
  QuestionRequest,
  Session as ClassicSession,
  SessionStatus,
  UserMessage as ClassicUserMessage
} from "@opencode-ai/sdk/v2/client"
import type * as Effect from "effect/Effect"
import type { HostError } from "./HostError.ts"
import type { CommandInput, PromptInput } from "./PromptInput.ts"

export type { PromptFile, PromptInput, TurnBudget, TurnInput } from "./PromptInput.ts"
export type {
  AssistantMessage,
  Event as OpenCodeEvent,
  Part,
  PermissionRequest,
  SessionStatus,
  Todo,
  ToolPart
} from "@opencode-ai/sdk/v2/client"

/**
 * A conversation. The times are epoch ms.
 */
export type Session = Pick<ClassicSession, "id" | "projectID" | "directory" | "title" | "time"> &
  Partial<Pick<ClassicSession, "parentID" | "metadata" | "revert" | "agent" | "model" | "cost" | "tokens">>

export type UserMessage = Pick<ClassicUserMessage, "id" | "sessionID" | "role" | "time"> &
  Partial<Pick<ClassicUserMessage, "agent" | "model" | "system">>

export type Message = UserMessage | AssistantMessage

/** `model`: its own one, which a prompt without a model is sent to. */
export type Agent = Pick<ClassicAgent, "name" | "mode"> &
  Partial<Pick<ClassicAgent, "description" | "hidden" | "model" | "variant">>

/** A prompt template that a person sends as `/name`. `subtask`: a sub-agent runs it. */
export type Command = Pick<ClassicCommand, "name" | "template"> &
  Partial<Pick<ClassicCommand, "description" | "agent" | "model" | "source" | "subtask">>

/** Instructions that the model loads when it needs them. */
export interface Skill {
  readonly name: string
  readonly description?: string
}

/**
 * A message with its parts, in part order.
 */
export interface MessageWithParts<Info extends Message = Message> {
  readonly info: Info
  readonly parts: ReadonlyArray<Part>
}

export type AssistantWithParts = MessageWithParts<AssistantMessage>

/** A file that a turn changed. Absent fields: OpenCode does not know them. */
export interface FileDiff {
  readonly file?: string
  readonly patch?: string
  readonly additions: number
  readonly deletions: number
  readonly status?: "added" | "deleted" | "modified"
}

/** The state of a server of the Model Context Protocol. */
export interface McpStatus {
  readonly status: "connected" | "disabled" | "failed" | "needs_auth" | "needs_client_registration"
  readonly error?: string
}

/** A language server that OpenCode has started. `root`: the folder that it serves, relative to the directory. */
export interface LspStatus {
  readonly id: string
  readonly name: string
  readonly root: string
  readonly status: "connected" | "error"
}

/**
 * One model that OpenCode can use. `id` is `provider/model`; the model's own part may hold further slashes.
 */
export interface ModelInfo {
  readonly id: string
  readonly providerID: string
  readonly modelID: string
  readonly name: string
  readonly providerName: string
  /** In tokens. */
  readonly limit: { readonly context: number; readonly output: number }
  /** Whether the model can call tools, whether it is known to reason, and the kinds of files that it accepts in a prompt. */
  readonly capabilities: {
    readonly tools: boolean
    readonly reasoning: boolean
    readonly input: {
      readonly image: boolean
      readonly pdf: boolean
      readonly audio: boolean
      readonly video: boolean
    }
    /** The kinds of files that it can answer with. */
    readonly output: { readonly image: boolean; readonly audio: boolean; readonly video: boolean }
  }
  /** US dollars for a million tokens. */
  readonly cost: {
    readonly input: number
    readonly output: number
    readonly cacheRead: number
    readonly cacheWrite: number
  }
  /** The names of its variants, such as reasoning efforts. */
  readonly variants: ReadonlyArray<string>
  readonly status: "alpha" | "beta" | "deprecated" | "active"
}

/**
 * The shape that `@opencode-worker/model-cache` fetches.
 */
export interface ModelList {
  readonly models: ReadonlyArray<ModelInfo>
  /** `provider/model` of the configuration; null: OpenCode chooses by the agent, the session, and what was used last. */
  readonly default: string | null
}

export interface MessagePage {
  /** Oldest first. */
  readonly messages: ReadonlyArray<MessageWithParts>
  /** Give it as `before` to read the page of older messages; absent on the oldest page. */
  readonly before: string | undefined
}

/**
 * Every method waits for the server by itself, starting it if need be, and speaks of the host's directory only.
 */
export interface OpenCodeClient {
  readonly sessions: {
    /** With a title, OpenCode spends no model call on inventing one. The id is always OpenCode's own. */
    readonly create: (input?: {
      readonly title?: string | undefined
      readonly metadata?: Readonly<Record<string, unknown>> | undefined
      readonly parentId?: string | undefined
    }) => Effect.Effect<Session, HostError>
    /** Fails with `NotFound` for an unknown or deleted session. */
    readonly get: (sessionId: string) => Effect.Effect<Session, HostError>
    /**
     * Newest change first, sub-agent sessions left out unless `children`. `since`: only those changed at or after this
     * time (epoch ms; a rename is no change). `limit`: at most that many; all of them when absent.
     */
    readonly list: (options?: {
      readonly since?: number | undefined
      readonly limit?: number | undefined
      readonly children?: boolean | undefined
    }) => Effect.Effect<ReadonlyArray<Session>, HostError>
    readonly rename: (sessionId: string, title: string) => Effect.Effect<Session, HostError>
    /** Abort and await the end of a busy session first: deleting does not stop it. */
    readonly remove: (sessionId: string) => Effect.Effect<void, HostError>
    readonly children: (sessionId: string) => Effect.Effect<ReadonlyArray<Session>, HostError>
    /** The sessions that are not idle, by id. */
    readonly status: Effect.Effect<Readonly<Record<string, SessionStatus>>, HostError>
  }
  /** Each fails with `Protocol` and status 409 while the session is busy. */
  readonly actions: {
    /** Undoes a message of a person and all later ones. It rewrites whole files, also those that others changed since. */
    readonly revert: (sessionId: string, messageId: string) => Effect.Effect<Session, HostError>
    /** Takes `revert` back. It restores all files of the directory as they were before it. */
    readonly unrevert: (sessionId: string) => Effect.Effect<Session, HostError>
    /** Copies a session, up to a message (exclusive) or whole. The copy has the metadata of its origin. */
    readonly fork: (sessionId: string, messageId?: string) => Effect.Effect<Session, HostError>
    readonly setMetadata: (
      sessionId: string,
      metadata: Readonly<Record<string, unknown>>
    ) => Effect.Effect<Session, HostError>
    /** Ends with the run, or fails with `Timeout` while it goes on. `model`: `provider/model`. */
    readonly compact: (sessionId: string, model: string) => Effect.Effect<void, HostError>
    /**
     * Runs a shell command for a person, who sends it under a message id of their own. No permission is asked. Ends with
     * the command, or fails with `Timeout` while it goes on.
     */
    readonly shell: (input: {
      readonly sessionId: string
      readonly messageId: string
      readonly agent: string
      readonly command: string
    }) => Effect.Effect<void, HostError>
    /**
     * Runs a command (`commands`) as a turn under a message id of the caller. OpenCode runs the shell commands of its
     * template first, and then stores the prompt. Ends with the turn; it goes on after a `Timeout`, or if this is
     * interrupted. `OpenCodeHost.turn` checks the arguments first.
     */
    readonly command: (input: CommandInput) => Effect.Effect<void, HostError>
    /** The files that the turn of a message of a person has changed. Empty until OpenCode has computed them. */
    readonly diff: (sessionId: string, messageId: string) => Effect.Effect<ReadonlyArray<FileDiff>, HostError>
  }
  readonly project: {
    /** Files whose path matches the text, the best match first, at most `limit`. The paths are relative to the directory. */
    readonly findFiles: (text: string, limit: number) => Effect.Effect<ReadonlyArray<string>, HostError>
    /** Absent fields: there is no repository, or OpenCode does not know them. */
    readonly branches: Effect.Effect<{ readonly branch?: string; readonly default_branch?: string }, HostError>
    /** The files of the working tree that differ from the last commit, or from the start of the branch. */
    readonly diff: (base: "commit" | "branch") => Effect.Effect<ReadonlyArray<FileDiff>, HostError>
    /** By name. */
    readonly mcp: Effect.Effect<Readonly<Record<string, McpStatus>>, HostError>
    readonly lsp: Effect.Effect<ReadonlyArray<LspStatus>, HostError>
  }
  readonly messages: {
    /** The newest `limit` messages (default 100), or those before a page. */
    readonly list: (
      sessionId: string,
      options?: { readonly limit?: number | undefined; readonly before?: string | undefined }
    ) => Effect.Effect<MessagePage, HostError>
    /** Fails with `NotFound` when OpenCode does not have it (yet). */
    readonly get: (sessionId: string, messageId: string) => Effect.Effect<MessageWithParts, HostError>
  }
  /**
   * Sends a prompt and returns at once. Success is NOT delivery: `OpenCodeHost.turn` takes care of that. OpenCode refuses
   * an unknown model or agent later, in the turn (`failed`).
   */
  readonly prompt: (input: PromptInput) => Effect.Effect<void, HostError>
  /** Asks once. `OpenCodeHost.abort` is the one that waits until the session is idle. */
  readonly abort: (sessionId: string) => Effect.Effect<void, HostError>
  readonly permissions: {
    readonly list: Effect.Effect<ReadonlyArray<PermissionRequest>, HostError>
    /**
     * `reject` with a message lets the model go on; without one it ends the turn. `NotFound`: already answered. With the
     * host's `alwaysAsk`, `always` is `once`. Shell commands then have no `always` patterns: a caller that remembers
     * approvals compares whole commands.
     */
    readonly reply: (
      requestId: string,
      reply: "once" | "always" | "reject",
      message?: string
    ) => Effect.Effect<void, HostError>
  }
  readonly questions: {
    readonly list: Effect.Effect<ReadonlyArray<QuestionRequest>, HostError>
    /** One list of chosen labels (or free texts) for each question. */
    readonly reply: (requestId: string, answers: ReadonlyArray<ReadonlyArray<string>>) => Effect.Effect<void, HostError>
    readonly reject: (requestId: string) => Effect.Effect<void, HostError>
  }
  /**
   * One HTTP request; it starts no process. The configured default, which the response omits, is read at the start of the
   * server, and again after OpenCode has reloaded its configuration.
   */
  readonly models: Effect.Effect<ModelList, HostError>
  readonly agents: Effect.Effect<ReadonlyArray<Agent>, HostError>
  readonly commands: Effect.Effect<ReadonlyArray<Command>, HostError>
  readonly skills: Effect.Effect<ReadonlyArray<Skill>, HostError>
}

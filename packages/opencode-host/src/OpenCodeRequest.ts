/** Permissions and questions: the requests of an agent that wait for a person. */
import type { PermissionRequest, QuestionRequest } from "@opencode-ai/sdk/v2/client"

/** One agent on the path from the root session to the agent that made a request. */
export interface RequestingAgent {
  readonly sessionId: string
  readonly agent: string
  /** The task that its parent gave it. Undefined for the root session. */
  readonly task: string | undefined
}

/** The tool call that made a request, as the model wrote it. */
export interface RequestingCall {
  readonly tool: string
  readonly input: Readonly<Record<string, unknown>>
}

export interface RequestOrigin {
  /** Root agent first. The last one made the request, in the session `sessionID`. */
  readonly askedBy: ReadonlyArray<RequestingAgent>
  /** Undefined if OpenCode does not name the call, or no longer has it. */
  readonly call: RequestingCall | undefined
}

/** A request of an agent, with OpenCode's own fields. The agent waits until it is replied to. */
export type OpenCodeRequest = RequestOrigin &
  (({ readonly kind: "permission" } & PermissionRequest) | ({ readonly kind: "question" } & QuestionRequest))

/** The fields of a request that `OpenCodeHost.reply` needs. */
export type OpenCodeRequestRef = Pick<OpenCodeRequest, "kind" | "id" | "sessionID" | "tool">

/**
 * A reply to a request.
 *
 * - `once` allows this one call. There is no `always`: OpenCode would apply it to its own patterns, in all sessions.
 * - `reject` with a message lets the model continue. Without a message it ends the turn. OpenCode rejects the other
 *   open permissions of the same session, too.
 * - `answers` has one list of chosen labels, or free texts, per question.
 * - `dismiss` refuses to answer the questions, which ends the turn.
 */
export type RequestReply =
  | { readonly type: "once" }
  | { readonly type: "reject"; readonly message?: string | undefined }
  | { readonly type: "answers"; readonly answers: ReadonlyArray<ReadonlyArray<string>> }
  | { readonly type: "dismiss" }

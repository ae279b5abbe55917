import * as Data from "effect/Data"
import type { AgentReason } from "./AgentReason.ts"

/** The error of an `Agent`. Its `reason` says whether the prompt may be sent again: see `TurnScheduler`. */
export class AgentError extends Data.TaggedError("AgentError")<{ readonly reason: AgentReason }> {
  override readonly message: string = this.reason.message
}

export const isAgentError = (error: unknown): error is AgentError => error instanceof AgentError

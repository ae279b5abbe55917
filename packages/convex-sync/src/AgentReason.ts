/** The failures of an agent, one class each: `AgentError.reason` holds one of them. */
import * as Data from "effect/Data"

/** The prompt was not delivered, and may be sent again with the same ids: the agent is starting, restarting or unreachable. */
export class Unavailable extends Data.TaggedError("Unavailable")<{ readonly message: string }> {}

/** The agent no longer has the session. Nothing was delivered: the next `run` opens a new session. */
export class SessionGone extends Data.TaggedError("SessionGone")<{ readonly message: string }> {}

/** Another program runs a turn in the session. Nothing was delivered: the prompt may be sent again later. */
export class Busy extends Data.TaggedError("Busy")<{ readonly message: string }> {}

/** The operator deletes the conversation. The turn ends as aborted. */
export class Deleting extends Data.TaggedError("Deleting") {
  override readonly message = "The operator deletes this conversation."
}

/** The prompt cannot be run. The turn ends as failed, with `name` and `message` for the operator. */
export class Failed extends Data.TaggedError("Failed")<{
  readonly name: string
  readonly message: string
}> {}

export type AgentReason = Unavailable | SessionGone | Busy | Deleting | Failed

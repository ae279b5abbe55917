/** Maps failures of OpenCode to reasons of an `AgentError`, which state whether the prompt may be sent again. */
import { AgentError, AgentReason, isAgentError } from "@opencode-worker/convex-sync"
import type { ModelCacheError } from "@opencode-worker/model-cache"
import type { HostError } from "@opencode-worker/opencode-host"

/** The server did not accept the prompt. It is started again, and the same ids may be sent again. */
const unavailable: ReadonlySet<string> = new Set([
  "Closed",
  "Unavailable",
  "Timeout",
  "StartFailed",
  "GaveUp",
  "FetchFailed",
  "FetchTimedOut"
])

const reasonOf = ({ _tag, message, reason }: HostError | ModelCacheError): AgentReason.AgentReason => {
  if (unavailable.has(reason._tag)) return new AgentReason.Unavailable({ message })
  if (_tag === "HostError" && reason._tag === "NotFound") return new AgentReason.SessionGone({ message })
  if (reason._tag === "Busy") {
    return new AgentReason.Busy({
      message: "Waiting for this OpenCode session, in which another program runs a turn."
    })
  }
  return new AgentReason.Failed({ name: reason._tag, message })
}

export const toAgentError = (error: AgentError | HostError | ModelCacheError): AgentError =>
  isAgentError(error) ? error : new AgentError({ reason: reasonOf(error) })

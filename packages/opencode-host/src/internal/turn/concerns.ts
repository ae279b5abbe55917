/** Which events a running turn reads: all turns of a directory share one event stream. */
import type { OpenCodeEvent } from "../../OpenCodeClient.ts"
import type { Prompt } from "./turnHost.ts"

/** Come with each turn, and no part of a turn reads them. */
const unread: ReadonlySet<string> = new Set(["session.diff", "session.updated"])

/**
 * Whether an event may concern the turn of a prompt: those of its own session that are read, and of another session those
 * that may be a sub-agent's, and that a turn reads of one.
 */
export const concerns = (
  { budget, sessionId }: Pick<Prompt, "budget" | "sessionId">,
  event: OpenCodeEvent
): boolean => {
  const { properties, type } = event
  if ("sessionID" in properties && properties.sessionID === sessionId) return !unread.has(type)
  switch (type) {
    case "message.part.updated":
      return event.properties.part.type === "tool"
    case "message.updated":
      return budget !== undefined
    case "permission.asked":
    case "permission.replied":
    case "question.asked":
    case "question.rejected":
    case "question.replied":
      return true
    case "session.error":
      return event.properties.sessionID === undefined
    default:
      return false
  }
}

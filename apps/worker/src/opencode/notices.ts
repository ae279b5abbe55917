/** The reasons why a running turn waits, in words for its operator. Pure. */
import type { AgentEvent } from "@opencode-worker/convex-sync"
import { compacted, type TurnEvent } from "@opencode-worker/opencode-host"

type EventOf<Tag> = Extract<TurnEvent, { readonly _tag: Tag }>
type Notice = Extract<AgentEvent, { readonly _tag: "Notice" }>

const notice = (id: string, text: string, more: Pick<Notice, "name" | "until"> = {}): Notice => ({
  _tag: "Notice",
  id,
  text,
  ...more
})

/** OpenCode has not stored the prompt after a few seconds. */
export const slowDelivery = notice(
  "notice:delivery",
  "Waiting for OpenCode: its server is starting, or loads its configuration and its MCP servers.",
  { name: "Starting" }
)

export const deliveryNotice = (reason: string): Notice =>
  notice("notice:restart", `OpenCode did not store the prompt, which is sent again: ${reason}`)

/** Milliseconds since 1970 as date and time of the day. */
const timeOf = (millis: number): string => {
  const iso = new Date(millis).toISOString()
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}

export const retryNotice = ({ attempt, message, next }: EventOf<"RetryScheduled">): Notice =>
  notice(`notice:retry:${attempt}`, `Waiting for the provider until ${timeOf(next)} (attempt ${attempt}): ${message}`, {
    name: "Retry",
    until: next
  })

/** The notice of a completed compaction is also a final part, with the same id. */
export const compactionNotice = ({ messageId, state }: EventOf<"Compaction">): Notice =>
  state === "running"
    ? notice(`${messageId}:running`, "OpenCode compacts the session to make room.", { name: "Compacting" })
    : notice(messageId, compacted.text, { name: compacted.name })

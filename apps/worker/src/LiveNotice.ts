/**
 * What a running turn waits for, as segments of its live text: a notice holds until the turn's next segment. Pure.
 *
 * @since 0.1.0
 */
import type { DeltaBuffer } from "@opencode-worker/convex-sync"
import { type Compaction, compacted, type RetryScheduled } from "@opencode-worker/opencode-host"

type Segment = DeltaBuffer.Segment

const notice = (partId: string, text: string): Segment => ({ partId, kind: "notice", text })

/** The prompt has not reached OpenCode after a few seconds. */
export const notDelivered = notice(
  "notice:delivery",
  "Waiting for OpenCode: its server is starting, or loads its configuration and its MCP servers."
)

export const restarting = (reason: string): Segment =>
  notice("notice:restart", `OpenCode did not take the prompt, which is sent again: ${reason}`)

export const sessionBusy = notice(
  "notice:busy",
  "Waiting for this OpenCode session, in which another program runs a turn."
)

/** Milliseconds since 1970 as the time of the day, with the date where it is another day. */
const timeOf = (millis: number): string => {
  const iso = new Date(millis).toISOString()
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}

export const retry = ({ attempt, message, next }: RetryScheduled): Segment =>
  notice(`notice:retry:${attempt}`, `Waiting for the provider until ${timeOf(next)} (attempt ${attempt}): ${message}`)

/** The last one is a final part, too, under the same id. */
export const compaction = ({ messageId, state }: Compaction): Segment =>
  state === "running"
    ? notice(`${messageId}:running`, "OpenCode compacts the conversation to make room.")
    : notice(messageId, compacted.text)

/**
 * The server's events, with the holes marked.
 */
import type { Event as OpenCodeEvent } from "@opencode-ai/sdk/v2/client"

interface ServerEvent {
  readonly _tag: "Event"
  readonly event: OpenCodeEvent
}

/**
 * Events may be missing before this point: re-read what you follow. It is sent when events flow again, so a re-read
 * after it misses nothing. `overflow`: this listener was too slow and its backlog was dropped.
 */
export interface Gap {
  readonly _tag: "Gap"
  readonly cause: "error" | "stall" | "ended" | "restart" | "overflow"
}

export type HostEvent = ServerEvent | Gap

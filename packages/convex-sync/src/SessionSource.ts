/** The agent's side of session sync. Sessions of sub-agents are left out. */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { Listed } from "./SessionMerge.ts"

/** A message that the agent has removed, by the agent's ids. */
export interface RemovedMessage {
  readonly opencodeSessionId: string
  readonly messageId: string
}

/** `Gap`: events may be missing before it. */
export type SessionEvent =
  | { readonly _tag: "Changed"; readonly session: Listed }
  | { readonly _tag: "Deleted"; readonly id: string }
  /** A message was removed, for example an undone prompt when the next prompt is sent. */
  | { readonly _tag: "MessageRemoved"; readonly message: RemovedMessage }
  /** A part of a message of this session was removed. */
  | { readonly _tag: "PartRemoved"; readonly id: string }
  | { readonly _tag: "Gap" }

/** The agent's record of its sessions, by the ids of prompts. */
export interface SessionRecord {
  readonly has: (sessionId: string, messageId: string) => Effect.Effect<boolean, Error>
  /** The ids of all messages and parts of the prompt's turn. */
  readonly partIds: (sessionId: string, messageId: string) => Effect.Effect<ReadonlyArray<string>, Error>
}

export interface SessionSource {
  readonly events: Stream.Stream<SessionEvent>
  /** The sessions that changed at `since` or later, in milliseconds; undefined: all sessions. In any order. */
  readonly list: (since: number | undefined) => Effect.Effect<ReadonlyArray<Listed>, Error>
  /** For removed turns whose events were missed. Absent: the agent never removes a message. */
  readonly record?: SessionRecord
}

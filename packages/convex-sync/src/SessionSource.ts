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
  | { readonly _tag: "Gap" }

export interface SessionSource {
  readonly events: Stream.Stream<SessionEvent>
  /** The sessions that changed at `since` or later, in milliseconds; undefined: all sessions. In any order. */
  readonly list: (since: number | undefined) => Effect.Effect<ReadonlyArray<Listed>, Error>
}

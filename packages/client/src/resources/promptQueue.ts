import { api, type QueuedPrompt, type SessionId, type TurnId } from "../api.ts"
import { type CallOptions, type Calls } from "../internal/calls.ts"
import { watchQuery } from "../internal/watchQuery.ts"

/** Fields that are absent stay. Null: OpenCode chooses. */
export interface PromptChanges {
  readonly text?: string
  readonly model?: string | null
  readonly agent?: string | null
  readonly variant?: string | null
}

/** The prompts of a session that wait. When the worker has claimed one, changing it rejects with `Conflict`. */
export const makePromptQueue = ({ connection, mutation, query }: Calls) => ({
  /** The first 100, in the order in which they will run. */
  list: (sessionId: SessionId, options?: CallOptions): Promise<ReadonlyArray<QueuedPrompt>> =>
    query(api.promptQueue.list, { sessionId }, options),
  watch: (sessionId: SessionId, { signal }: CallOptions = {}): AsyncIterable<ReadonlyArray<QueuedPrompt>> =>
    watchQuery(connection, api.promptQueue.list, { sessionId }, signal),
  edit: async (turnId: TurnId, changes: PromptChanges, options?: CallOptions): Promise<void> => {
    await mutation(api.promptQueue.edit, { turnId, ...changes }, options)
  },
  /** Moves a prompt before another one of its session, or with null to the end. */
  move: async (turnId: TurnId, before: TurnId | null, options?: CallOptions): Promise<void> => {
    await mutation(api.promptQueue.move, { turnId, before }, options)
  },
  /** Removes a prompt, as if it had never been sent. */
  drop: async (turnId: TurnId, options?: CallOptions): Promise<void> => {
    await mutation(api.promptQueue.drop, { turnId }, options)
  }
})

/**
 * Takes the turns of one session out of the deployment that the agent no longer has, and parts of its newest turns.
 *
 * An undo removes the newest turns at the next prompt, so this reads from the newest turn on, and ends at the first page
 * whose oldest turn the agent still has. `History` compares all turns.
 */
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_RECORD_IDS } from "@opencode-worker/convex-backend/limits"
import { retryTransient } from "@opencode-worker/effect-convex"
import * as Effect from "effect/Effect"
import { api } from "../../Backend.ts"
import type { ConvexSyncError } from "../../ConvexSyncError.ts"
import type { Lease } from "../../Lease.ts"
import type { SessionRecord } from "../../SessionSource.ts"

/** A turn of the deployment. `recorded`: it has ended, and the agent's session had it. */
export interface MirroredTurn {
  readonly messageId: string
  readonly recorded: boolean
  readonly completed: boolean
  /** Entries of its outline. */
  readonly parts: number
}

/** The newest turns before a place, and the place of the next page; null: there is none. */
interface MirroredTurns {
  readonly turns: ReadonlyArray<MirroredTurn>
  readonly before: number | null
}

/** The deployment's side of one session. Every call may be repeated. */
export interface RemovalStore {
  /** The next page, newest first. */
  readonly mirrored: (before: number | undefined) => Effect.Effect<MirroredTurns, ConvexSyncError>
  /** Of up to 100 messages: deletes the turns whose prompts they were. */
  readonly forgetPrompts: (messageIds: ReadonlyArray<string>) => Effect.Effect<unknown, ConvexSyncError>
  /** Removes the parts of a completed turn that are not among these, which are those that the agent has. */
  readonly keepParts: (messageId: string, partIds: ReadonlyArray<string>) => Effect.Effect<unknown, ConvexSyncError>
}

/** `size`: turns of a page, up to 100. */
export const removalStore = (
  lease: Lease["Service"],
  session: { readonly sessionId: Id<"sessions"> } | { readonly opencodeSessionId: string },
  size: number
): RemovalStore => ({
  mirrored: (before) =>
    lease.query(api.removals.turns, { session, limit: size, ...(before !== undefined && { before }) }),
  forgetPrompts: (messageIds) => lease.mutation(api.removals.removePrompts, { session, messageIds: [...messageIds] }),
  keepParts: (messageId, partIds) =>
    partIds.length > MAX_RECORD_IDS
      ? Effect.void
      : lease.mutation(api.removals.keepParts, { session, messageId, partIds: [...partIds] })
})

/** An undo can end in the middle of one turn: the newest, or the one before a prompt that was sent since. */
const comparedParts = 2

export const removeTurns = Effect.fn("SessionSync.removeTurns")(function* (
  record: SessionRecord,
  store: RemovalStore,
  opencodeSessionId: string
) {
  let before: number | undefined
  let compared = 0
  do {
    const page = yield* retryTransient(store.mirrored(before))
    const recorded = page.turns.filter((turn) => turn.recorded)
    const isThere = yield* Effect.forEach(recorded, ({ messageId }) => record.has(opencodeSessionId, messageId), {
      concurrency: 4
    })
    const removed = recorded.filter((_, index) => isThere[index] === false)
    if (removed.length > 0) {
      yield* retryTransient(store.forgetPrompts(removed.map(({ messageId }) => messageId)))
    }
    const left = recorded.filter((turn, index) => isThere[index] === true && turn.completed)
    for (const { messageId } of left.slice(0, comparedParts - compared)) {
      compared += 1
      const partIds = yield* record.partIds(opencodeSessionId, messageId)
      yield* retryTransient(store.keepParts(messageId, partIds))
    }
    // Turns of a session that the agent has lost stay, so a page without turns of this one is the end.
    if (isThere.at(-1) !== false) return
    before = page.before ?? undefined
  } while (before !== undefined)
})

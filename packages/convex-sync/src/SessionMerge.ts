/**
 * Computes the pending session updates. Pure: the effects are in `SessionSync`.
 *
 * ```
 *   watermark ─ overlap          watermark                 now
 *        │ synced, maybe not all    │ changed since          │
 *        └──────── one list ────────┴────────────────────────┘
 *                     │ minus the sessions that are in sync: as this process remembers, or,
 *                     │ for older ones, as the deployment responds
 *                     ▼
 *        batches of 100, the oldest change first, each with the watermark that holds after it
 * ```
 *
 * Invariants, property-tested
 * - After a list of all sessions, the deployment has every session as the agent has it, whatever was lost or repeated.
 * - Without a change there is no batch, also in a new process; k changes make k entries.
 * - A watermark is never later than a session of its list that is not synced.
 */
import { MAX_LOOKUPS, MAX_SMALL_PAGE } from "@opencode-worker/convex-backend/limits"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"

/** A session as the agent lists it. */
export interface Listed {
  readonly id: string
  readonly title: string
  /** Milliseconds. A rename does not move it. */
  readonly updated: number
  /** The session of the deployment that it was created for, from its metadata. */
  readonly createdForSessionId?: string | undefined
  readonly archived?: boolean | undefined
  /** The first message that the agent has undone, and can restore until the next prompt. */
  readonly revertedFrom?: string | undefined
}

/** Whether operators see a difference, other than the time of the last change. */
const looksDifferent = (one: Listed, other: Listed): boolean =>
  one.title !== other.title ||
  (one.archived ?? false) !== (other.archived ?? false) ||
  one.revertedFrom !== other.revertedFrom

export interface State {
  /** Milliseconds of the agent's clock: every change up to it is synced. 0: none is. */
  readonly watermark: number
  /** The sessions as this process synced them; see `evictOldest`. */
  readonly synced: HashMap.HashMap<string, Listed>
}

/** The sessions of one call. */
export interface Batch {
  readonly sessions: ReadonlyArray<Listed>
  /** Holds after the sessions are synced; undefined: it stays. */
  readonly watermark: number | undefined
}

/** Sessions that are remembered, at 400 bytes each: fewer than 5 MB, and more than change between two lists. */
const maxRemembered = 5_000

/** Changes commit out of order and clocks have a grain: a list begins this long before the watermark. Milliseconds. */
const overlap = 15_000

export const begin = (watermark: number): State => ({ watermark, synced: HashMap.empty() })

/** The start of the next list, in milliseconds; undefined: all sessions. */
export const since = ({ watermark }: State): number | undefined =>
  watermark === 0 ? undefined : Math.max(0, watermark - overlap)

const inGroups = (sessions: ReadonlyArray<Listed>, size: number): ReadonlyArray<ReadonlyArray<Listed>> =>
  Array.from({ length: Math.ceil(sessions.length / size) }, (_, index) =>
    sessions.slice(index * size, (index + 1) * size)
  )

/**
 * Sessions that may already be in sync: unchanged since the watermark and not in this process's memory. Query the deployment
 * for each group, and pass its response to `compared` before `batchesOfList`.
 */
export const comparisons = (state: State, listed: ReadonlyArray<Listed>): ReadonlyArray<ReadonlyArray<Listed>> =>
  inGroups(
    listed.filter(({ id, updated }) => updated <= state.watermark && !HashMap.has(state.synced, id)),
    MAX_LOOKUPS
  )

/** Marks every session of the comparison as synced except `outdated`, which are missing or different in the deployment. */
export const compared = (state: State, comparison: ReadonlyArray<Listed>, outdated: ReadonlyArray<string>): State => {
  const ids = new Set(outdated)
  return markSynced(state, { sessions: comparison.filter(({ id }) => !ids.has(id)), watermark: undefined })
}

/** The batches for a list of everything that changed since `since`. */
export const batchesOfList = (state: State, listed: ReadonlyArray<Listed>): ReadonlyArray<Batch> => {
  const hasChanged = (session: Listed) =>
    Option.match(HashMap.get(state.synced, session.id), {
      onNone: () => true,
      onSome: (known) => known.updated !== session.updated || looksDifferent(known, session)
    })
  const sessions = listed.filter(hasChanged).toSorted((one, other) => one.updated - other.updated)
  return inGroups(sessions, MAX_SMALL_PAGE).map((batch) => ({ sessions: batch, watermark: batch.at(-1)?.updated }))
}

/**
 * The batches for single events, the last one of each session, if it is new, renamed, archived, undone or restored. Work in a
 * session is left to the next list: a running turn would cost a call per event. Events do not mention other sessions, so the
 * watermark stays.
 */
export const batchesOfEvents = (state: State, changed: ReadonlyArray<Listed>): ReadonlyArray<Batch> => {
  const latest = new Map(changed.map((session) => [session.id, session]))
  const hasChanged = (session: Listed) =>
    Option.match(HashMap.get(state.synced, session.id), {
      onNone: () => true,
      onSome: (known) => looksDifferent(known, session)
    })
  return inGroups([...latest.values()].filter(hasChanged), MAX_SMALL_PAGE).map((sessions) => ({
    sessions,
    watermark: undefined
  }))
}

/** The deployment has accepted a batch. */
export const markSynced = (state: State, { sessions, watermark }: Batch): State => ({
  watermark: Math.max(state.watermark, watermark ?? 0),
  synced: HashMap.setMany(
    state.synced,
    sessions.map((session) => [session.id, session] as const)
  )
})

/** The sessions were deleted. */
export const removed = (state: State, ids: ReadonlyArray<string>): State => ({
  ...state,
  synced: HashMap.removeMany(state.synced, ids)
})

/**
 * Remembers only the `limit` sessions that changed last, so that memory does not grow with the number of sessions. The next
 * list of all sessions compares the others with the deployment. A session that changed after the watermark stays, because
 * that list would send it again.
 */
export const evictOldest = (state: State, limit = maxRemembered): State => {
  if (HashMap.size(state.synced) <= limit) return state
  const kept = HashMap.toValues(state.synced)
    .toSorted((one, other) => other.updated - one.updated)
    .filter(({ updated }, index) => index < limit || updated > state.watermark)
  return markSynced({ ...state, synced: HashMap.empty() }, { sessions: kept, watermark: undefined })
}

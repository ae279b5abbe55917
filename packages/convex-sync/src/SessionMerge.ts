/**
 * What has to be told of OpenCode's sessions. Pure: the effects are in `SessionSync`.
 *
 * ```
 *   watermark ─ overlap          watermark                 now
 *        │ told, maybe not all      │ what changed since     │
 *        └──────── one list ────────┴────────────────────────┘
 *                     │ minus what was told the same way: by this process, or,
 *                     │ for which the deployment is asked, long ago or by an earlier one
 *                     ▼
 *        batches of 100, the oldest change first, each with the watermark that holds after it
 * ```
 *
 * Invariants, property-tested
 * - Whatever was lost or told twice, after a list of everything all that OpenCode has was told as it is.
 * - Telling again without a change makes no batch, also in a new process; k changes make k entries.
 * - A watermark never stands beyond something of its list that was not told.
 *
 * @since 0.1.0
 */
import { MAX_LOOKUPS, MAX_SMALL_PAGE } from "@opencode-worker/convex-backend/limits"
import { HashMap, Option } from "effect"

/**
 * A session as OpenCode lists it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listed {
  readonly id: string
  readonly title: string
  /** Milliseconds. A rename does not move it. */
  readonly updated: number
  /** The session of ours that it was made for, from its metadata. */
  readonly createdForSessionId?: string | undefined
  readonly archived?: boolean | undefined
  /** The first message that OpenCode has undone, and can restore until the next prompt. */
  readonly revertedFrom?: string | undefined
}

/** Whether operators see the two in different ways, but for the time of the last change. */
const looksDifferent = (one: Listed, other: Listed): boolean =>
  one.title !== other.title ||
  (one.archived ?? false) !== (other.archived ?? false) ||
  one.revertedFrom !== other.revertedFrom

/**
 * @category models
 * @since 0.1.0
 */
export interface State {
  /** Milliseconds of OpenCode's clock up to which every change was told; 0: none was. */
  readonly watermark: number
  /** What was told of each session, in this process; see `bounded`. */
  readonly told: HashMap.HashMap<string, Listed>
}

/**
 * What one call tells.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batch {
  readonly sessions: ReadonlyArray<Listed>
  /** Holds when the sessions were told; undefined: it stays. */
  readonly watermark: number | undefined
}

/** Sessions that are remembered, at 400 bytes each: fewer than 5 MB, and more than anybody works on between two lists. */
const maxTold = 5_000

/** Changes commit out of order and clocks have a grain: a list begins that much before the watermark. Milliseconds. */
const overlap = 15_000

/**
 * @category constructors
 * @since 0.1.0
 */
export const begin = (watermark: number): State => ({ watermark, told: HashMap.empty() })

/**
 * From when on OpenCode is to be listed, in milliseconds; undefined: everything.
 *
 * @category operations
 * @since 0.1.0
 */
export const since = ({ watermark }: State): number | undefined =>
  watermark === 0 ? undefined : Math.max(0, watermark - overlap)

const inGroups = (sessions: ReadonlyArray<Listed>, size: number): ReadonlyArray<ReadonlyArray<Listed>> =>
  Array.from({ length: Math.ceil(sessions.length / size) }, (_, index) =>
    sessions.slice(index * size, (index + 1) * size)
  )

/**
 * What of a list may have been told, long ago or by an earlier process: it has not changed after the watermark, and this
 * process does not remember it. The deployment knows, so ask it each of these, and give its answer to `answered`, before `ofList`.
 *
 * @category operations
 * @since 0.1.0
 */
export const questions = (state: State, listed: ReadonlyArray<Listed>): ReadonlyArray<ReadonlyArray<Listed>> =>
  inGroups(
    listed.filter(({ id, updated }) => updated <= state.watermark && !HashMap.has(state.told, id)),
    MAX_LOOKUPS
  )

/**
 * Of a question, the deployment has these ids otherwise or not at all; the rest was told.
 *
 * @category operations
 * @since 0.1.0
 */
export const answered = (state: State, question: ReadonlyArray<Listed>, outdated: ReadonlyArray<string>): State => {
  const ids = new Set(outdated)
  return told(state, { sessions: question.filter(({ id }) => !ids.has(id)), watermark: undefined })
}

/**
 * What a list of all that changed since `since` makes to be told.
 *
 * @category operations
 * @since 0.1.0
 */
export const ofList = (state: State, listed: ReadonlyArray<Listed>): ReadonlyArray<Batch> => {
  const isNews = (session: Listed) =>
    Option.match(HashMap.get(state.told, session.id), {
      onNone: () => true,
      onSome: (known) => known.updated !== session.updated || looksDifferent(known, session)
    })
  const sessions = listed.filter(isNews).toSorted((one, other) => one.updated - other.updated)
  return inGroups(sessions, MAX_SMALL_PAGE).map((batch) => ({ sessions: batch, watermark: batch.at(-1)?.updated }))
}

/**
 * What single events make to be told, the last one of each session: it is new, renamed, archived, undone or restored. That it was only worked on is
 * left to the next list, or a running turn would cost a call again and again. Events say nothing of other sessions, so the
 * watermark stays.
 *
 * @category operations
 * @since 0.1.0
 */
export const ofEvents = (state: State, changed: ReadonlyArray<Listed>): ReadonlyArray<Batch> => {
  const latest = new Map(changed.map((session) => [session.id, session]))
  const isNews = (session: Listed) =>
    Option.match(HashMap.get(state.told, session.id), {
      onNone: () => true,
      onSome: (known) => looksDifferent(known, session)
    })
  return inGroups([...latest.values()].filter(isNews), MAX_SMALL_PAGE).map((sessions) => ({
    sessions,
    watermark: undefined
  }))
}

/**
 * A batch was told.
 *
 * @category operations
 * @since 0.1.0
 */
export const told = (state: State, { sessions, watermark }: Batch): State => ({
  watermark: Math.max(state.watermark, watermark ?? 0),
  told: HashMap.setMany(
    state.told,
    sessions.map((session) => [session.id, session] as const)
  )
})

/**
 * Sessions are gone.
 *
 * @category operations
 * @since 0.1.0
 */
export const forgotten = (state: State, ids: ReadonlyArray<string>): State => ({
  ...state,
  told: HashMap.removeMany(state.told, ids)
})

/**
 * Remembers only the `limit` sessions that changed last, so that memory does not grow with the number of sessions. Of the
 * others, the next list of everything asks the deployment. What changed after the watermark stays, because that list would
 * tell it again instead.
 *
 * @category operations
 * @since 0.1.0
 */
export const bounded = (state: State, limit = maxTold): State => {
  if (HashMap.size(state.told) <= limit) return state
  const kept = HashMap.toValues(state.told)
    .toSorted((one, other) => other.updated - one.updated)
    .filter(({ updated }, index) => index < limit || updated > state.watermark)
  return told({ ...state, told: HashMap.empty() }, { sessions: kept, watermark: undefined })
}

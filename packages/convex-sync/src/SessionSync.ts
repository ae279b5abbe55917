/**
 * Mirrors the agent's sessions in the deployment: by events, by a list of the changes, and by a list of all sessions once an
 * hour, because a rename whose event was missed changes no time.
 *
 * Invariants
 * - Updates are sent one after another, so nothing older overtakes something newer.
 * - Sessions are marked deleted only on a delete event, never because a list lacks them.
 * - Turns that the agent has removed are removed, too: by events, and after a time without events in the sessions that changed.
 * - While nothing changes, lists become rare, and a list without changes makes no call. Sessions that may be in sync are
 *   compared before they are sent: once after a start, and with each list of all sessions those that are not remembered.
 */
import { MAX_HISTORY, MAX_NAME, MAX_SMALL_PAGE } from "@opencode-worker/convex-backend/limits"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import { type ConvexSyncError, isConvexSyncError, isLoss } from "./ConvexSyncError.ts"
import { retryTransient } from "@opencode-worker/effect-convex"
import { type RemovalStore, removalStore, removeTurns } from "./internal/sync/removedTurns.ts"
import { Lease } from "./Lease.ts"
import * as SessionMerge from "./SessionMerge.ts"
import type { SessionEvent, SessionSource } from "./SessionSource.ts"

/** The deployment's side. Every call may be repeated. */
export interface SessionStore {
  /** 0: nothing is synced yet. */
  readonly watermark: Effect.Effect<number, ConvexSyncError>
  /** Of up to 1,000 sessions, the ids of those that `apply` would change something for. */
  readonly outdated: (
    sessions: ReadonlyArray<SessionMerge.Listed>
  ) => Effect.Effect<ReadonlyArray<string>, ConvexSyncError>
  /** The sessions and the watermark in one transaction. */
  readonly apply: (batch: SessionMerge.Batch) => Effect.Effect<unknown, ConvexSyncError>
  readonly forget: (ids: ReadonlyArray<string>) => Effect.Effect<unknown, ConvexSyncError>
  /** The turns of a session, by the agent's id of it, at most 10 in a page. */
  readonly turnsOf: (id: string) => RemovalStore
}

export interface SessionSyncOptions {
  /** Between two lists while something changes. Default 30 seconds. */
  readonly interval?: Duration.Input
  /** Between two lists when nothing has changed for long. Default 5 minutes. */
  readonly maxInterval?: Duration.Input
  /** Between two lists of all sessions. Default 1 hour. */
  readonly fullInterval?: Duration.Input
}

/** Events that may wait before the source has to. */
const backlog = 1_000
/** Events that arrive within this time are sent together. */
const gatherTime = "250 millis"

/**
 * Synchronises until it is interrupted. Fails only when the lease is lost: other errors are logged, and repaired by a later
 * list.
 */
export const runBetween = Effect.fnUntraced(function* (
  source: SessionSource,
  store: SessionStore,
  options: SessionSyncOptions = {}
) {
  const interval = Duration.toMillis(options.interval ?? "30 seconds")
  const maxInterval = Duration.toMillis(options.maxInterval ?? "5 minutes")
  const fullInterval = Duration.toMillis(options.fullInterval ?? "1 hour")
  const events = yield* Queue.bounded<SessionEvent>(backlog)
  yield* Effect.forkScoped(Stream.runForEach(source.events, (event) => Queue.offer(events, event)))

  let state = SessionMerge.begin(yield* retryTransient(store.watermark))
  let [pause, nextList, nextFull] = [interval, 0, (yield* Clock.currentTimeMillis) + fullInterval]
  /** Deletions that the deployment refused. No later list reports them again. */
  const refused = new Set<string>()
  /** Events may be missing since the last list. Before the first sync there is nothing to remove. */
  let mayHaveMissed = state.watermark > 0
  /** Sessions that may have lost turns, or parts of them. */
  const suspects = new Set<string>()

  /** One session after another. Those that cannot be compared now remain for the next list. */
  const removeFrom = Effect.fnUntraced(function* () {
    const { record } = source
    if (record === undefined) return suspects.clear()
    for (const id of suspects) {
      if (yield* isCompared(removeTurns(record, store.turnsOf(id), id))) suspects.delete(id)
    }
  })

  /** Returns whether all batches were accepted. */
  const push = Effect.fnUntraced(function* (batches: ReadonlyArray<SessionMerge.Batch>) {
    for (const batch of batches) {
      // A later list sends a refused batch again, so no batch after it may move the watermark.
      if (!(yield* succeeds(store.apply(batch)))) return false
      state = SessionMerge.markSynced(state, batch)
    }
    return true
  })

  const forget = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
    for (let from = 0; from < ids.length; from += MAX_SMALL_PAGE) {
      const some = ids.slice(from, from + MAX_SMALL_PAGE)
      for (const id of some) refused.add(id)
      if (!(yield* succeeds(store.forget(some)))) continue
      for (const id of some) refused.delete(id)
    }
  })

  const list = Effect.fn("SessionSync.list")(function* () {
    const now = yield* Clock.currentTimeMillis
    const full = now >= nextFull
    const listed = yield* Effect.option(
      Effect.tapError(source.list(full ? undefined : SessionMerge.since(state)), (error) =>
        Effect.logDebug(error.message)
      )
    )
    const sessions = Option.getOrElse(listed, () => []).map(clamp)
    for (const comparison of SessionMerge.comparisons(state, sessions)) {
      state = SessionMerge.compared(state, comparison, yield* compare(store, comparison))
    }
    const batches = SessionMerge.batchesOfList(state, sessions)
    const all = yield* push(batches)
    yield* forget([...refused])
    if (mayHaveMissed) for (const { sessions: changed } of batches) for (const { id } of changed) suspects.add(id)
    if (Option.isSome(listed)) mayHaveMissed = false
    yield* removeFrom()
    state = SessionMerge.evictOldest(state)
    if (full && all && Option.isSome(listed)) nextFull = now + fullInterval
    // Repeated refusals are no reason to list often.
    pause = batches.length > 0 && all ? interval : Math.min(maxInterval, pause * 2)
    nextList = now + pause
  })

  const take = Effect.fn("SessionSync.take")(function* (batch: ReadonlyArray<SessionEvent>) {
    const changed = new Map<string, SessionMerge.Listed>()
    const deleted = new Set<string>()
    const removed = new Map<string, ReadonlyArray<string>>()
    for (const event of batch) {
      if (event._tag === "Changed") changed.set(event.session.id, clamp(event.session))
      else if (event._tag === "Deleted") deleted.add(event.id)
      else if (event._tag === "MessageRemoved") {
        const { messageId, opencodeSessionId } = event.message
        removed.set(opencodeSessionId, [...(removed.get(opencodeSessionId) ?? []), messageId])
      } else if (event._tag === "PartRemoved") suspects.add(event.id)
      else [mayHaveMissed, nextList] = [true, 0]
    }
    // Ids are never reused: a deleted session does not come back.
    for (const id of deleted) changed.delete(id)
    yield* push(SessionMerge.batchesOfEvents(state, [...changed.values()]))
    yield* forget([...deleted])
    for (const [id, messageIds] of removed) {
      for (let from = 0; from < messageIds.length; from += MAX_SMALL_PAGE) {
        yield* succeeds(store.turnsOf(id).forgetPrompts(messageIds.slice(from, from + MAX_SMALL_PAGE)))
      }
    }
    state = SessionMerge.removed(state, [...deleted])
    // A message of an answer may be among the removed ones: only its turn shows that.
    for (const id of removed.keys()) suspects.add(id)
    for (const id of deleted) suspects.delete(id)
    yield* removeFrom()
  })

  const step = Effect.gen(function* () {
    const wait = Math.max(0, nextList - (yield* Clock.currentTimeMillis))
    const first = yield* Effect.timeoutOption(Queue.take(events), wait)
    if (Option.isNone(first)) return yield* list()
    yield* Effect.sleep(gatherTime)
    yield* take([first.value, ...(yield* Queue.clear(events))])
  })
  return yield* Effect.forever(step)
}, Effect.scoped)

/** Returns whether the call succeeded. A refusal is logged; the loss of the lease is a failure. */
const succeeds = (call: Effect.Effect<unknown, ConvexSyncError>) =>
  retryTransient(call).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => !isLoss(error),
      (error) => Effect.as(Effect.logWarning("Sessions were refused", error.message), false)
    )
  )

/** Returns whether the session was compared. The agent may be away; the loss of the lease is a failure. */
const isCompared = (comparison: Effect.Effect<unknown, ConvexSyncError | Error>) =>
  comparison.pipe(
    Effect.as(true),
    Effect.catch((error) =>
      isConvexSyncError(error) && isLoss(error)
        ? Effect.fail(error)
        : Effect.as(Effect.logDebug("A session was not compared", error.message), false)
    )
  )

/** The ids to send: all of them if the deployment refuses the query, because sending twice does no harm. */
const compare = ({ outdated }: SessionStore, comparison: ReadonlyArray<SessionMerge.Listed>) =>
  retryTransient(outdated(comparison)).pipe(
    Effect.catchIf(
      (error) => !isLoss(error),
      (error) =>
        Effect.as(
          Effect.logWarning("Sessions were not compared", error.message),
          comparison.map(({ id }) => id)
        )
    )
  )

/** Clamps a session to the limits of the backend. Any program may set its title and metadata; a longer id is not one of the deployment. */
const clamp = ({ createdForSessionId, title, ...session }: SessionMerge.Listed): SessionMerge.Listed => ({
  ...session,
  title: title.slice(0, MAX_NAME).toWellFormed() || "Untitled",
  ...(createdForSessionId !== undefined && createdForSessionId.length <= MAX_NAME && { createdForSessionId })
})

const toWire = ({ archived, id, createdForSessionId, revertedFrom, title, updated }: SessionMerge.Listed) => ({
  opencodeSessionId: id,
  title,
  updatedAt: updated,
  ...(createdForSessionId !== undefined && { createdForSessionId }),
  ...(archived === true && { archived }),
  ...(revertedFrom !== undefined && { revertedFrom })
})

/** The store over a lease. */
export const storeOf = (lease: Lease["Service"]): SessionStore => ({
  watermark: lease.query(api.sync.watermark, {}),
  outdated: (sessions) => lease.query(api.sync.diff, { sessions: sessions.map(toWire) }),
  apply: ({ sessions, watermark }) =>
    lease.mutation(api.sync.apply, {
      sessions: sessions.map(toWire),
      ...(watermark !== undefined && { watermark })
    }),
  forget: (ids) => lease.mutation(api.sync.removeDeleted, { opencodeSessionIds: [...ids] }),
  turnsOf: (opencodeSessionId) => removalStore(lease, { opencodeSessionId }, MAX_HISTORY)
})

/** Synchronises under the lease. */
export const run = (
  source: SessionSource,
  options?: SessionSyncOptions
): Effect.Effect<never, ConvexSyncError, Lease> =>
  Effect.flatMap(Lease, (lease) => runBetween(source, storeOf(lease), options))

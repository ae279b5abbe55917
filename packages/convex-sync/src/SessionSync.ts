/**
 * Keeps the deployment's sessions as OpenCode has them: by its events, by a list of what changed, and now and then by a
 * list of everything, because a rename that no event told moves no time.
 *
 * Invariants
 * - One thing is told after another, so nothing older overtakes something newer.
 * - A session is taken for deleted by an event only, never because a list lacks it.
 * - While nothing changes, lists become rare, and a list without changes makes no call to the deployment. Only what may
 *   have been told is asked for, so as not to tell it again: once what an earlier process told, and with each list of
 *   everything what is beyond the bound of sessions that this one remembers.
 *
 * @since 0.1.0
 */
import { MAX_NAME, MAX_SMALL_PAGE } from "@opencode-worker/convex-backend/limits"
import { Clock, Duration, Effect, Option, Queue, Stream } from "effect"
import { api } from "./Backend.ts"
import { type ConvexSyncError, isLoss } from "./ConvexSyncError.ts"
import { retryTransient } from "./retryTransient.ts"
import { Lease } from "./Lease.ts"
import * as SessionMerge from "./SessionMerge.ts"
import type { RemovedMessage, SessionEvent, SessionSource } from "./SessionSource.ts"

/**
 * What is needed from a deployment. Everything may be repeated.
 *
 * @category ports
 * @since 0.1.0
 */
export interface SessionStore {
  /** 0: nothing was told yet. */
  readonly watermark: Effect.Effect<number, ConvexSyncError>
  /** Of up to 1,000 sessions, the ids of those that `apply` would change something for. */
  readonly outdated: (
    sessions: ReadonlyArray<SessionMerge.Listed>
  ) => Effect.Effect<ReadonlyArray<string>, ConvexSyncError>
  /** The sessions and the watermark in one transaction. */
  readonly apply: (batch: SessionMerge.Batch) => Effect.Effect<unknown, ConvexSyncError>
  readonly forget: (ids: ReadonlyArray<string>) => Effect.Effect<unknown, ConvexSyncError>
  /** Of up to 100 messages: deletes the turns whose prompts they were. */
  readonly forgetPrompts: (messages: ReadonlyArray<RemovedMessage>) => Effect.Effect<unknown, ConvexSyncError>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface SessionSyncOptions {
  /** Between two lists while something changes. Default 30 seconds. */
  readonly interval?: Duration.Input
  /** Between two lists when nothing has changed for long. Default 5 minutes. */
  readonly maxInterval?: Duration.Input
  /** Between two lists of everything. Default 1 hour. */
  readonly fullInterval?: Duration.Input
}

/** Events that may wait: beyond it the source feels it. */
const backlog = 1_000
/** Events that come together are told together. */
const gathering = "250 millis"

/**
 * Synchronises for ever, over any two. Fails only when the lease is lost: what else goes wrong is logged, and made good by
 * a later list.
 *
 * @category operations
 * @since 0.1.0
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
  /** Deleted in OpenCode, which the deployment did not take: no later list says it again. */
  const refused = new Set<string>()

  /** Whether all was told. */
  const tell = Effect.fnUntraced(function* (batches: ReadonlyArray<SessionMerge.Batch>) {
    for (const batch of batches) {
      // What was refused is told again by a later list, so nothing after it may move the watermark beyond.
      if (!(yield* forgiving(store.apply(batch)))) return false
      state = SessionMerge.told(state, batch)
    }
    return true
  })

  const forget = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
    for (let from = 0; from < ids.length; from += MAX_SMALL_PAGE) {
      const some = ids.slice(from, from + MAX_SMALL_PAGE)
      for (const id of some) refused.add(id)
      if (!(yield* forgiving(store.forget(some)))) continue
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
    const sessions = Option.getOrElse(listed, () => []).map(shortened)
    for (const question of SessionMerge.questions(state, sessions)) {
      state = SessionMerge.answered(state, question, yield* ask(store, question))
    }
    const batches = SessionMerge.ofList(state, sessions)
    const all = yield* tell(batches)
    yield* forget([...refused])
    state = SessionMerge.bounded(state)
    if (full && all && Option.isSome(listed)) nextFull = now + fullInterval
    // What is refused again and again is no reason to list often.
    pause = batches.length > 0 && all ? interval : Math.min(maxInterval, pause * 2)
    nextList = now + pause
  })

  const take = Effect.fn("SessionSync.take")(function* (batch: ReadonlyArray<SessionEvent>) {
    const changed = new Map<string, SessionMerge.Listed>()
    const deleted = new Set<string>()
    const removed: Array<RemovedMessage> = []
    for (const event of batch) {
      if (event._tag === "Changed") changed.set(event.session.id, shortened(event.session))
      else if (event._tag === "Deleted") deleted.add(event.id)
      else if (event._tag === "MessageRemoved") removed.push(event.message)
      else nextList = 0
    }
    // Ids are never used again: what is deleted does not come back.
    for (const id of deleted) changed.delete(id)
    yield* tell(SessionMerge.ofEvents(state, [...changed.values()]))
    yield* forget([...deleted])
    for (let from = 0; from < removed.length; from += MAX_SMALL_PAGE) {
      yield* forgiving(store.forgetPrompts(removed.slice(from, from + MAX_SMALL_PAGE)))
    }
    state = SessionMerge.forgotten(state, [...deleted])
  })

  const step = Effect.gen(function* () {
    const wait = Math.max(0, nextList - (yield* Clock.currentTimeMillis))
    const first = yield* Effect.timeoutOption(Queue.take(events), wait)
    if (Option.isNone(first)) return yield* list()
    yield* Effect.sleep(gathering)
    yield* take([first.value, ...(yield* Queue.clear(events))])
  })
  return yield* Effect.forever(step)
}, Effect.scoped)

/** Whether it was done. What the deployment refuses is logged; a lost lease ends it. */
const forgiving = (call: Effect.Effect<unknown, ConvexSyncError>) =>
  retryTransient(call).pipe(
    Effect.as(true),
    Effect.catchIf(
      (error) => !isLoss(error),
      (error) => Effect.as(Effect.logWarning("Sessions were refused", error.message), false)
    )
  )

/** The ids that have to be told: all of them where the deployment does not say, because telling twice does no harm. */
const ask = ({ outdated }: SessionStore, question: ReadonlyArray<SessionMerge.Listed>) =>
  retryTransient(outdated(question)).pipe(
    Effect.catchIf(
      (error) => !isLoss(error),
      (error) =>
        Effect.as(
          Effect.logWarning("Sessions were not compared", error.message),
          question.map(({ id }) => id)
        )
    )
  )

/** As the backend takes it: a title is anybody's to give, and so is the metadata, which names none of ours if it is long. */
const shortened = ({ createdForSessionId, title, ...session }: SessionMerge.Listed): SessionMerge.Listed => ({
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
  forgetPrompts: (messages) => lease.mutation(api.sync.removePrompts, { messages: [...messages] })
})

/**
 * As `runBetween`, under the lease.
 *
 * @category operations
 * @since 0.1.0
 */
export const run = (
  source: SessionSource,
  options?: SessionSyncOptions
): Effect.Effect<never, ConvexSyncError, Lease> =>
  Effect.flatMap(Lease, (lease) => runBetween(source, storeOf(lease), options))

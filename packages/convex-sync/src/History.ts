/**
 * Loads the turns that an agent's session had before it was opened in the deployment, or ran outside of it.
 *
 * Invariants
 * - A turn is added once, however often this runs: the id of its prompt identifies it.
 * - After a load, the deployment has no turn that the agent's session had and has no longer, and no such part of a turn.
 * - A load that was cut short continues where it ended.
 * - Ten turns are in memory at a time, besides those of the source, and the ids of all of them.
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import {
  isVisible,
  MAX_HISTORY,
  MAX_HISTORY_PARTS,
  MAX_PARTS_TOTAL,
  MAX_PROMPT,
  MAX_SMALL_PAGE
} from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs } from "convex/server"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import * as HistoryTurns from "./HistoryTurns.ts"
import { retryTransient } from "@opencode-worker/effect-convex"
import { fileStore } from "./FileStore.ts"
import { type MirroredTurn, type RemovalStore, removalStore } from "./internal/sync/removedTurns.ts"
import { Lease } from "./Lease.ts"
import { truncateToLimits } from "./TurnResult.ts"

/** A turn as the backend stores it, with its place next to its neighbours. */
export type HistoryTurn = FunctionArgs<typeof backendApi.history.add>["turns"][number]

/**
 * A turn that has ended. The times are milliseconds. Text, error and parts have any length; a `url` in a part that is a
 * `data:` URL is stored as a file.
 */
export type EndedTurn = Omit<HistoryTurn, "messageId" | "newerId" | "files">

/** A turn as the agent lists it; see `HistoryTurns`. */
export type ListedTurn = HistoryTurns.Listed<EndedTurn>

/** One session as the agent has it. */
export interface HistorySource<E> {
  /** Whether it has this prompt. */
  readonly has: (messageId: string) => Effect.Effect<boolean, E>
  /** The ids of all messages and parts that it has of the turn of this prompt. */
  readonly partIds: (messageId: string) => Effect.Effect<ReadonlyArray<string>, E>
  /** Its turns, the newest first: read as they are needed. */
  readonly turns: Stream.Stream<ListedTurn, E>
}

/** The deployment's side. Every call may be repeated. */
export interface HistoryStore extends RemovalStore {
  /** The prompt of the turn that the session runs; null: it runs none. */
  readonly running: Effect.Effect<string | null, ConvexSyncError>
  /** The turn within the limits of the deployment, its files uploaded. */
  readonly prepare: (turn: HistoryTurn) => Effect.Effect<HistoryTurn>
  /** At most 10, the newest first. `runningId`: the running prompt, if the agent had it before the turns were listed. */
  readonly add: (
    turns: ReadonlyArray<HistoryTurn>,
    runningId: string | undefined
  ) => Effect.Effect<unknown, ConvexSyncError>
}

const toWire = ({ id, newerId, turn }: HistoryTurns.Placed<EndedTurn>): HistoryTurn => ({
  ...turn,
  text: turn.text.slice(0, MAX_PROMPT).toWellFormed(),
  messageId: id,
  ...(newerId !== undefined && { newerId })
})

/** As few calls as possible, in their order. */
const calls = (turns: ReadonlyArray<HistoryTurn>): ReadonlyArray<ReadonlyArray<HistoryTurn>> => {
  const made: Array<Array<HistoryTurn>> = []
  let [parts, characters] = [0, 0]
  for (const turn of turns) {
    const size = turn.parts.reduce((sum, { payload }) => sum + payload.length, 0)
    const current = made.at(-1)
    const [total, length] = [parts + turn.parts.length, characters + size]
    if (current !== undefined && total <= MAX_HISTORY_PARTS && length <= MAX_PARTS_TOTAL) {
      current.push(turn)
      ;[parts, characters] = [total, length]
    } else {
      made.push([turn])
      ;[parts, characters] = [turn.parts.length, size]
    }
  }
  return made
}

/** The turns of the deployment, by the id of their prompt. */
const readMirrored = Effect.fnUntraced(function* (store: RemovalStore) {
  const found = new Map<string, MirroredTurn>()
  let before: number | undefined
  do {
    const page = yield* retryTransient(store.mirrored(before))
    for (const turn of page.turns) found.set(turn.messageId, turn)
    before = page.before ?? undefined
  } while (before !== undefined)
  return found
})

/**
 * Loads the history, and returns the number of new turns. After a failure the turns that were added stay: run it again.
 */
export const loadBetween = Effect.fn("History.load")(function* <E>(source: HistorySource<E>, store: HistoryStore) {
  // The running prompt is in the agent, or will come after every turn there.
  const running = yield* retryTransient(store.running)
  const delivered = running !== null && (yield* source.has(running))
  const runningId = delivered ? running : undefined
  const newerId = delivered ? undefined : (running ?? undefined)
  const mirrored = yield* readMirrored(store)
  /** Those that the agent has not listed. */
  const unlisted = new Map(mirrored)
  const add = Effect.fnUntraced(function* (turns: ReadonlyArray<HistoryTurns.Placed<EndedTurn>>) {
    for (const { id, turn } of turns) {
      const known = mirrored.get(id)
      const size = turn.parts.filter(({ kind }) => isVisible(kind)).length
      if (known?.recorded !== true || !known.completed || size >= known.parts) continue
      yield* retryTransient(store.keepParts(id, yield* source.partIds(id)))
    }
    const missing = turns.filter(({ id }) => !mirrored.has(id))
    const prepared = yield* Effect.forEach(missing, (placed) => store.prepare(toWire(placed)))
    for (const call of calls(prepared)) yield* retryTransient(store.add(call, runningId))
    return missing.length
  })
  const count = yield* source.turns.pipe(
    Stream.tap(({ id }) => Effect.sync(() => unlisted.delete(id))),
    Stream.mapAccum(() => HistoryTurns.begin(newerId), HistoryTurns.step<EndedTurn>),
    Stream.grouped(MAX_HISTORY),
    Stream.mapEffect(add),
    Stream.runFold(
      () => 0,
      (sum, added) => sum + added
    )
  )
  const suspects = [...unlisted.values()].filter(({ recorded }) => recorded).map(({ messageId }) => messageId)
  const removed = yield* Effect.filter(suspects, (messageId) => Effect.map(source.has(messageId), (has) => !has), {
    concurrency: 4
  })
  for (let from = 0; from < removed.length; from += MAX_SMALL_PAGE) {
    yield* retryTransient(store.forgetPrompts(removed.slice(from, from + MAX_SMALL_PAGE)))
  }
  return count
})

/** The store of a session over a lease. */
export const storeOf = (
  lease: Lease["Service"],
  sessionId: Id<"sessions">,
  files = fileStore(lease)
): HistoryStore => ({
  ...removalStore(lease, { sessionId }, MAX_SMALL_PAGE),
  prepare: (turn) =>
    Effect.map(files.keep(turn.parts), ({ files: kept, parts }) => ({
      ...turn,
      ...truncateToLimits({ ...turn, parts }),
      ...(kept.length > 0 && { files: kept })
    })),
  running: lease.query(api.history.currentPrompt, { sessionId }),
  add: (turns, runningId) =>
    lease.mutation(api.history.add, { sessionId, turns: [...turns], ...(runningId !== undefined && { runningId }) })
})

/** Loads the history of a session of the deployment, under the lease. */
export const load = <E>(
  sessionId: Id<"sessions">,
  source: HistorySource<E>
): Effect.Effect<number, ConvexSyncError | E, Lease> =>
  Effect.flatMap(Lease, (lease) => loadBetween(source, storeOf(lease, sessionId)))

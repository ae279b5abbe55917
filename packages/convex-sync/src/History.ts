/**
 * Loads the turns that an agent's session had before it was opened in the deployment, or ran outside of it.
 *
 * Invariants
 * - A turn is added once, however often this runs: the id of its prompt identifies it.
 * - A load that was cut short continues where it ended.
 * - Ten turns are in memory at a time, besides those of the source.
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_HISTORY, MAX_HISTORY_PARTS, MAX_PARTS_TOTAL, MAX_PROMPT } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs } from "convex/server"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import * as HistoryTurns from "./HistoryTurns.ts"
import { retryTransient } from "@opencode-worker/effect-convex"
import { fileStore } from "./FileStore.ts"
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
  /** Its turns, the newest first: read as they are needed. */
  readonly turns: Stream.Stream<ListedTurn, E>
}

/** The deployment's side. Every call may be repeated. */
export interface HistoryStore {
  /** The prompt of the turn that the session runs; null: it runs none. */
  readonly running: Effect.Effect<string | null, ConvexSyncError>
  /** Which of these prompts, at most 10, are there already. */
  readonly known: (messageIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, ConvexSyncError>
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

/**
 * Loads the history, and returns the number of new turns. After a failure the turns that were added stay: run it again.
 */
export const loadBetween = Effect.fn("History.load")(function* <E>(source: HistorySource<E>, store: HistoryStore) {
  // The running prompt is in the agent, or will come after every turn there.
  const running = yield* retryTransient(store.running)
  const delivered = running !== null && (yield* source.has(running))
  const runningId = delivered ? running : undefined
  const newerId = delivered ? undefined : (running ?? undefined)
  const add = Effect.fnUntraced(function* (turns: ReadonlyArray<HistoryTurns.Placed<EndedTurn>>) {
    const known = new Set(yield* retryTransient(store.known(turns.map(({ id }) => id))))
    const missing = turns.filter(({ id }) => !known.has(id))
    const prepared = yield* Effect.forEach(missing, (placed) => store.prepare(toWire(placed)))
    for (const call of calls(prepared)) yield* retryTransient(store.add(call, runningId))
    return missing.length
  })
  return yield* source.turns.pipe(
    Stream.mapAccum(() => HistoryTurns.begin(newerId), HistoryTurns.step<EndedTurn>),
    Stream.grouped(MAX_HISTORY),
    Stream.mapEffect(add),
    Stream.runFold(
      () => 0,
      (sum, count) => sum + count
    )
  )
})

/** The store of a session over a lease. */
export const storeOf = (
  lease: Lease["Service"],
  sessionId: Id<"sessions">,
  files = fileStore(lease)
): HistoryStore => ({
  prepare: (turn) =>
    Effect.map(files.keep(turn.parts), ({ files: kept, parts }) => ({
      ...turn,
      ...truncateToLimits({ ...turn, parts }),
      ...(kept.length > 0 && { files: kept })
    })),
  running: lease.query(api.history.currentPrompt, { sessionId }),
  known: (messageIds) => lease.query(api.history.existing, { sessionId, messageIds: [...messageIds] }),
  add: (turns, runningId) =>
    lease.mutation(api.history.add, { sessionId, turns: [...turns], ...(runningId !== undefined && { runningId }) })
})

/** Loads the history of a session of the deployment, under the lease. */
export const load = <E>(
  sessionId: Id<"sessions">,
  source: HistorySource<E>
): Effect.Effect<number, ConvexSyncError | E, Lease> =>
  Effect.flatMap(Lease, (lease) => loadBetween(source, storeOf(lease, sessionId)))

/**
 * Tells the deployment what was said in an OpenCode session before it was opened there, or beside it.
 *
 * Invariants
 * - A turn is told once, however often this runs: its prompt's id says whether it is there already.
 * - What was told stays told: a load that was cut short goes on where it ended when it runs again.
 * - In memory there are ten turns, and what the source holds.
 *
 * @since 0.1.0
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_HISTORY, MAX_PARTS, MAX_PARTS_TOTAL, MAX_PROMPT } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs } from "convex/server"
import { Effect, Stream } from "effect"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import * as HistoryTurns from "./HistoryTurns.ts"
import { retryTransient } from "./retryTransient.ts"
import { Lease } from "./Lease.ts"

/**
 * A turn as the backend takes it, with its place beside its neighbours.
 *
 * @category models
 * @since 0.1.0
 */
export type ToldTurn = FunctionArgs<typeof backendApi.history.add>["turns"][number]

/**
 * A turn that has ended. The times are milliseconds; of `text` 200,000 characters are told.
 *
 * @category models
 * @since 0.1.0
 */
export type EndedTurn = Omit<ToldTurn, "messageId" | "newerId">

/**
 * A turn as the agent lists it; see `HistoryTurns`.
 *
 * @category models
 * @since 0.1.0
 */
export type ListedTurn = HistoryTurns.Listed<EndedTurn>

/**
 * One session as the agent has it.
 *
 * @category ports
 * @since 0.1.0
 */
export interface HistorySource<E> {
  /** Whether it has this prompt. */
  readonly has: (messageId: string) => Effect.Effect<boolean, E>
  /** Its turns, the newest first: read as they are needed. */
  readonly turns: Stream.Stream<ListedTurn, E>
}

/**
 * What is needed from a deployment. Everything may be repeated.
 *
 * @category ports
 * @since 0.1.0
 */
export interface HistoryStore {
  /** The prompt of the turn that the session runs; null: it runs none. */
  readonly running: Effect.Effect<string | null, ConvexSyncError>
  /** Which of these prompts, at most 10, are there already. */
  readonly known: (messageIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, ConvexSyncError>
  /** At most 10, the newest first. `runningId`: the prompt that runs, if OpenCode had it before it was asked for messages. */
  readonly add: (
    turns: ReadonlyArray<ToldTurn>,
    runningId: string | undefined
  ) => Effect.Effect<unknown, ConvexSyncError>
}

const told = ({ id, newerId, turn }: HistoryTurns.Placed<EndedTurn>): ToldTurn => ({
  ...turn,
  text: turn.text.slice(0, MAX_PROMPT).toWellFormed(),
  messageId: id,
  ...(newerId !== undefined && { newerId })
})

/** As few calls as take them, in their order. */
const calls = (turns: ReadonlyArray<ToldTurn>): ReadonlyArray<ReadonlyArray<ToldTurn>> => {
  const made: Array<Array<ToldTurn>> = []
  let [parts, characters] = [0, 0]
  for (const turn of turns) {
    const size = turn.parts.reduce((sum, { payload }) => sum + payload.length, 0)
    const current = made.at(-1)
    if (current !== undefined && parts + turn.parts.length <= MAX_PARTS && characters + size <= MAX_PARTS_TOTAL) {
      current.push(turn)
      ;[parts, characters] = [parts + turn.parts.length, characters + size]
    } else {
      made.push([turn])
      ;[parts, characters] = [turn.parts.length, size]
    }
  }
  return made
}

/**
 * Loads the history between any two, and gives how many turns were new. What it fails with leaves what was told until
 * then; run it again.
 *
 * @category operations
 * @since 0.1.0
 */
export const loadBetween = Effect.fn("History.load")(function* <E>(source: HistorySource<E>, store: HistoryStore) {
  // What runs here is in OpenCode, or will come after all that is.
  const running = yield* retryTransient(store.running)
  const delivered = running !== null && (yield* source.has(running))
  const runningId = delivered ? running : undefined
  const newerId = delivered ? undefined : (running ?? undefined)
  const tell = Effect.fnUntraced(function* (turns: ReadonlyArray<HistoryTurns.Placed<EndedTurn>>) {
    const known = new Set(yield* retryTransient(store.known(turns.map(({ id }) => id))))
    const missing = turns.filter(({ id }) => !known.has(id))
    for (const call of calls(missing.map(told))) yield* retryTransient(store.add(call, runningId))
    return missing.length
  })
  return yield* source.turns.pipe(
    Stream.mapAccum(() => HistoryTurns.begin(newerId), HistoryTurns.step<EndedTurn>),
    Stream.grouped(MAX_HISTORY),
    Stream.mapEffect(tell),
    Stream.runFold(
      () => 0,
      (sum, count) => sum + count
    )
  )
})

/** The store of a session over a lease. */
export const storeOf = (lease: Lease["Service"], sessionId: Id<"sessions">): HistoryStore => ({
  running: lease.query(api.history.currentPrompt, { sessionId }),
  known: (messageIds) => lease.query(api.history.existing, { sessionId, messageIds: [...messageIds] }),
  add: (turns, runningId) =>
    lease.mutation(api.history.add, { sessionId, turns: [...turns], ...(runningId !== undefined && { runningId }) })
})

/**
 * As `loadBetween`, of a session of the deployment, under the lease.
 *
 * @category operations
 * @since 0.1.0
 */
export const load = <E>(
  sessionId: Id<"sessions">,
  source: HistorySource<E>
): Effect.Effect<number, ConvexSyncError | E, Lease> =>
  Effect.flatMap(Lease, (lease) => loadBetween(source, storeOf(lease, sessionId)))

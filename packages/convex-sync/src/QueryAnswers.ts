/**
 * Answers the queries of operators. Each is answered at once, next to the others: it changes nothing, so a query that an
 * earlier process left is answered as a new one.
 */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_MESSAGE, MAX_QUERY_RESULT, QUERY_TIME } from "@opencode-worker/convex-backend/limits"
import { retryTransient } from "@opencode-worker/effect-convex"
import type { FunctionReturnType } from "convex/server"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { resubscribe } from "./internal/resubscribe.ts"
import { Lease } from "./Lease.ts"

export type WaitingQuery = FunctionReturnType<typeof backendApi.queries.waiting>[number]

/** A result as JSON, or the reason of a failure. */
export type QueryOutcome = { readonly result: string } | { readonly error: string }

/** The deployment's side of queries. */
export interface QueryStore {
  /** The queries that wait, now and at each change. */
  readonly windows: Stream.Stream<ReadonlyArray<WaitingQuery>, ConvexSyncError>
  /** May be repeated. */
  readonly answer: (queryId: Id<"queries">, outcome: QueryOutcome) => Effect.Effect<unknown, ConvexSyncError>
}

const failed = (message: string): QueryOutcome => ({ error: message.slice(0, MAX_MESSAGE).toWellFormed() })

const succeeded = (value: unknown): QueryOutcome => {
  const result = JSON.stringify(value)
  return result.length > MAX_QUERY_RESULT ? failed("The result is too large") : { result }
}

/**
 * Answers each query with the value of `execute`, as JSON, or with its failure. Fails when the lease is lost; after other
 * failures the subscription is restarted. Run it once per process.
 */
export const answerFrom = Effect.fnUntraced(function* <E extends Error, R>(
  { answer, windows }: QueryStore,
  execute: (query: WaitingQuery["query"]) => Effect.Effect<unknown, E, R>
) {
  /** Begun, and in the newest window: a query that left the window does not come back. */
  let begun: ReadonlySet<string> = new Set()

  const outcome = (query: WaitingQuery["query"]): Effect.Effect<QueryOutcome, never, R> =>
    Effect.suspend(() => execute(query)).pipe(
      Effect.map(succeeded),
      // The deployment has ended it by then, so the answer only ends the work.
      Effect.timeoutOrElse({ duration: QUERY_TIME, orElse: () => Effect.succeed(failed("It took too long")) }),
      Effect.catchCause((cause) => {
        if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause).pipe(Effect.orDie)
        const error = Cause.squash(cause)
        return Effect.succeed(failed(error instanceof Error ? error.message : String(error)))
      }),
      Effect.withSpan("QueryAnswers.execute", { attributes: { kind: query.kind } })
    )

  const carryOut = ({ query, queryId }: WaitingQuery) =>
    Effect.flatMap(outcome(query), (ended) => retryTransient(answer(queryId, ended))).pipe(
      Effect.catch((refused) => Effect.logWarning("A query could not be answered", refused.message))
    )

  yield* resubscribe(windows).pipe(
    Stream.runForEach((shown) => {
      const fresh = shown.filter(({ queryId }) => !begun.has(queryId))
      begun = new Set(shown.map(({ queryId }) => queryId))
      return Effect.forEach(fresh, (waiting) => Effect.forkScoped(carryOut(waiting)), { discard: true })
    })
  )
}, Effect.scoped)

/** The store over a lease. */
export const storeOf = (lease: Lease["Service"]): QueryStore => ({
  windows: lease.subscribe(api.queries.waiting, {}),
  answer: (queryId, outcome) => lease.mutation(api.queries.answer, { queryId, ...outcome })
})

/** As `answerFrom`, under the lease. */
export const run = <E extends Error, R>(
  execute: (query: WaitingQuery["query"]) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, ConvexSyncError, R | Lease> =>
  Effect.flatMap(Lease, (lease) => answerFrom(storeOf(lease), execute))

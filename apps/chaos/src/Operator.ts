/** The person who asks, over a connection of their own to the deployment. */
import { randomUUID } from "node:crypto"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { isTransient } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import { Effect, Option, Schedule, Stream } from "effect"

const final: ReadonlySet<string> = new Set(["completed", "failed", "aborted", "interrupted", "expired"])
export const isFinal = (status: string) => final.has(status)

/** The deployment is killed now and then. All that an operator calls may be called again. */
const again = { while: isTransient, schedule: Schedule.spaced("250 millis") } as const

export const makeOperator = Effect.fnUntraced(function* (url: string, token: Effect.Effect<string>) {
  const convex = yield* ConvexClient.make({
    url,
    auth: token,
    mutationTimeout: "10 seconds",
    queryTimeout: "10 seconds"
  })
  const live = (turnId: Id<"turns">, after: number) => convex.subscribe(api.turns.live, { turnId, after })

  return {
    approve: (code: string) => Effect.retry(convex.action(api.pairing.approve, { code }), again),
    /** The one worker that there is. */
    workerId: Effect.retry(convex.query(api.workers.list, {}), again).pipe(
      Effect.flatMap(([worker]) => Effect.fromNullishOr(worker)),
      Effect.map(({ workerId }) => workerId)
    ),
    /** Another one each time that it is run. */
    createSession: (workerId: Id<"workers">) =>
      Effect.suspend(() => {
        const idempotencyKey = randomUUID()
        return Effect.retry(convex.mutation(api.sessions.create, { workerId, idempotencyKey }), again)
      }),
    sessions: Effect.retry(
      convex.query(api.sessions.list, { paginationOpts: { numItems: 100, cursor: null } }),
      again
    ).pipe(Effect.map(({ page }) => page.map(({ sessionId }) => sessionId))),
    watch: (sessionId: Id<"sessions">) => Effect.retry(convex.mutation(api.sessions.watch, { sessionId }), again),
    send: (sessionId: Id<"sessions">, text: string) =>
      Effect.retry(convex.mutation(api.turns.send, { sessionId, text, idempotencyKey: text }), again),
    /** How the turn stands, now and at each change. */
    statuses: (turnId: Id<"turns">) =>
      live(turnId, Number.MAX_SAFE_INTEGER).pipe(
        Stream.map(({ status }) => status),
        Stream.changes
      ),
    /** All that is streamed, until the end. */
    segments: (turnId: Id<"turns">) =>
      Stream.paginate(0, (after: number) =>
        live(turnId, after).pipe(
          Stream.filter(({ deltas, status }) => deltas.length > 0 || isFinal(status)),
          Stream.runHead,
          Effect.map((head) => {
            const deltas = Option.match(head, { onNone: () => [], onSome: (found) => found.deltas })
            const next = Option.fromUndefinedOr(deltas.at(-1)?.seq)
            return [deltas.flatMap(({ segments }) => segments), next] as const
          })
        )
      ),
    parts: (turnId: Id<"turns">) =>
      Stream.paginate(null as string | null, (cursor) =>
        Effect.retry(convex.query(api.turns.parts, { turnId, paginationOpts: { numItems: 100, cursor } }), again).pipe(
          Effect.map(
            ({ continueCursor, isDone, page }) => [page, isDone ? Option.none() : Option.some(continueCursor)] as const
          )
        )
      ).pipe(Stream.runCollect),
    error: (turnId: Id<"turns">) =>
      Effect.retry(convex.query(api.turns.live, { turnId, after: Number.MAX_SAFE_INTEGER }), again).pipe(
        Effect.map(({ error }) => (error === null ? "" : `${error.name}: ${error.message}`))
      ),
    pending: (sessionId: Id<"sessions">) => Effect.retry(convex.query(api.requests.pending, { sessionId }), again),
    allow: (requestId: Id<"requests">) =>
      Effect.retry(convex.mutation(api.requests.answer, { requestId, answer: { type: "once" } }), again)
  }
})

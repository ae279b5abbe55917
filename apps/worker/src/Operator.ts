/**
 * What a person does with a worker, over their own authenticated connection: create a session, send a prompt, watch the answer arrive.
 */
import { randomUUID } from "node:crypto"
import { api, type Id } from "@opencode-worker/convex-backend/api"
import { type ConvexSyncError } from "@opencode-worker/convex-sync"
import { ConvexClient } from "@opencode-worker/effect-convex"
import type { FunctionArgs, FunctionReturnType, PaginationOptions } from "convex/server"
import { Context, Effect, Layer, Option, Schedule, Stream } from "effect"

type Live = FunctionReturnType<typeof api.turns.live>
export type PendingRequest = FunctionReturnType<typeof api.requests.pending>[number]
export type OpenRequest = FunctionReturnType<typeof api.requests.get>
export type Answer = FunctionArgs<typeof api.requests.answer>["answer"]
export type Part = FunctionReturnType<typeof api.turns.parts>["page"][number]
export type Segment = Live["deltas"][number]["segments"][number]

const final: ReadonlySet<string> = new Set(["completed", "failed", "aborted", "interrupted", "expired"])

const isSessionId = (text: string): text is Id<"sessions"> => text !== ""

interface Page<A> {
  readonly page: ReadonlyArray<A>
  readonly isDone: boolean
  readonly continueCursor: string
}

/** All pages of a list, `numItems` rows at a time. */
const pages = <A, E, R>(
  numItems: number,
  ask: (paginationOpts: PaginationOptions) => Effect.Effect<Page<A>, E, R>
): Stream.Stream<A, E, R> =>
  Stream.paginate(null as string | null, (cursor) =>
    Effect.map(
      ask({ numItems, cursor }),
      ({ continueCursor, isDone, page }) => [page, isDone ? Option.none() : Option.some(continueCursor)] as const
    )
  )

const make = Effect.gen(function* () {
  const convex = yield* ConvexClient

  /** Each element holds what is new; the last one has a final status. Cost is O(new): the subscription moves with its cursor. */
  const follow = (turnId: Id<"turns">) =>
    Stream.paginate(0, (after: number) =>
      convex.subscribe(api.turns.live, { turnId, after }).pipe(
        Stream.filter((live) => live.deltas.length > 0 || final.has(live.status)),
        Stream.runHead,
        Effect.map((head) =>
          Option.match(head, {
            onNone: () => [[], Option.none<number>()] as const,
            onSome: (live) =>
              [[live], final.has(live.status) ? Option.none() : Option.some(live.deltas.at(-1)?.seq ?? after)] as const
          })
        )
      )
    )

  /** How a command ended; null: it is not there any more. */
  const settled = (commandId: Id<"commands">) =>
    convex.subscribe(api.commands.get, { commandId }).pipe(
      Stream.filter((command) => command?.status !== "queued"),
      Stream.runHead,
      Effect.map(Option.getOrNull)
    )

  return {
    /** The worker that shows a pairing code. */
    preview: (code: string) => convex.action(api.pairing.preview, { code }),
    approve: (code: string) => convex.action(api.pairing.approve, { code }),
    createSession: (workerId: Id<"workers">) =>
      convex.mutation(api.sessions.create, { workerId, idempotencyKey: randomUUID() }),
    /** Null: there is none, it is not yours, or what was given is no id at all, which the deployment refuses. */
    session: (given: string) =>
      isSessionId(given)
        ? convex
            .query(api.sessions.get, { sessionId: given })
            .pipe(Effect.catchReason("ConvexClientError", "FunctionFailed", () => Effect.succeed(null)))
        : Effect.succeed(null),
    sessions: convex.query(api.sessions.list, { paginationOpts: { numItems: 50, cursor: null } }),
    /** All turns of a session, the oldest first, a page at a time. */
    turns: (sessionId: Id<"sessions">) =>
      pages(20, (paginationOpts) => convex.query(api.turns.list, { sessionId, paginationOpts })),
    send: (sessionId: Id<"sessions">, text: string, model: Option.Option<string>, agent = Option.none<string>()) =>
      convex.mutation(api.turns.send, {
        sessionId,
        text,
        idempotencyKey: randomUUID(),
        ...(Option.isSome(model) && { model: model.value }),
        ...(Option.isSome(agent) && { agent: agent.value })
      }),
    follow,
    /** Says that a person reads the session, for as long as this runs: text is then written several times a second. */
    watch: (sessionId: Id<"sessions">) =>
      convex
        .mutation(api.sessions.watch, { sessionId })
        .pipe(Effect.ignore, Effect.repeat(Schedule.spaced("20 seconds"))),
    /** How a turn stands now. */
    status: (turnId: Id<"turns">) => convex.query(api.turns.live, { turnId, after: Number.MAX_SAFE_INTEGER }),
    workers: convex.query(api.workers.list, {}),
    abort: (turnId: Id<"turns">) => convex.mutation(api.turns.abort, { turnId }),
    rename: (sessionId: Id<"sessions">, title: string) =>
      convex.mutation(api.sessions.rename, { sessionId, title, idempotencyKey: randomUUID() }),
    remove: (sessionId: Id<"sessions">) =>
      convex.mutation(api.sessions.remove, { sessionId, idempotencyKey: randomUUID() }),
    pause: (workerId: Id<"workers">) => convex.mutation(api.workers.pause, { workerId, idempotencyKey: randomUUID() }),
    resume: (workerId: Id<"workers">) =>
      convex.mutation(api.workers.resume, { workerId, idempotencyKey: randomUUID() }),
    /** Has what was said in OpenCode told to the deployment, and waits until the worker has done so. */
    loadHistory: (sessionId: Id<"sessions">) =>
      convex
        .mutation(api.sessions.loadHistory, { sessionId, idempotencyKey: randomUUID() })
        .pipe(Effect.flatMap(settled)),
    /** What waits for an answer in a session, now and at each change. */
    pending: (sessionId: Id<"sessions">) => convex.subscribe(api.requests.pending, { sessionId }),
    /** A request with its whole content. */
    request: (requestId: Id<"requests">) => convex.query(api.requests.get, { requestId }),
    answer: (requestId: Id<"requests">, answer: Answer) => convex.mutation(api.requests.answer, { requestId, answer }),
    /** All final parts of a turn, in their order. */
    parts: (turnId: Id<"turns">): Effect.Effect<ReadonlyArray<Part>, ConvexSyncError> =>
      Stream.runCollect(pages(100, (paginationOpts) => convex.query(api.turns.parts, { turnId, paginationOpts })))
  }
})

/** The operator's side of the deployment that `ConvexClient` is connected to. */
export class Operator extends Context.Service<Operator, Effect.Success<typeof make>>()("opencode-worker/Operator") {
  static readonly layer = Layer.effect(Operator, make)
}

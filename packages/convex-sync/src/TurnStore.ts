/** The deployment's side of running turns. Every call may be repeated. */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_PAGE } from "@opencode-worker/convex-backend/limits"
import type { FunctionReturnType } from "convex/server"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Conversation, PromptIds } from "./Agent.ts"
import { AgentError } from "./AgentError.ts"
import { Deleting, Failed } from "./AgentReason.ts"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { type FileStore, fileStore } from "./FileStore.ts"
import { joinDeltas } from "./internal/turns/joinDeltas.ts"
import type { Lease } from "./Lease.ts"
import { type RequestStore, requestStore } from "./RequestStore.ts"
import { type StreamedPart, truncateToLimits, type TurnResult } from "./TurnResult.ts"

/** A turn that can run now. Its prompt comes with the claim, because an operator may change it until then. */
export type ReadyTurn = FunctionReturnType<typeof backendApi.queue.listReady>[number]

/** The prompt of a claimed turn. */
export type ClaimedPrompt = NonNullable<FunctionReturnType<typeof backendApi.queue.claim>>

/** A claimed turn of an earlier process that this one goes on with. `seq`: of its last delta. */
export type AdoptedTurn = NonNullable<FunctionReturnType<typeof backendApi.adopt.turn>>

/** A turn that was claimed and has not ended. `delivered`: the agent had stored its prompt. */
export interface UnfinishedTurn {
  readonly turnId: Id<"turns">
  readonly messageId: string | null
  readonly agentSessionId: string | null
  readonly delivered: boolean
  readonly abortRequested: boolean
  /** A request of it waits for an answer of the operator. */
  readonly asks: boolean
}

export type OrphanedTurn = UnfinishedTurn & ReadyTurn

export interface TurnStore {
  /** The oldest turns that can run now, one per session, and prompts that steer running turns: now, and at each change. */
  readonly windows: Stream.Stream<ReadonlyArray<ReadyTurn>, ConvexSyncError>
  /** The turns of this worker that an operator stopped and that have not ended: now, and at each change. */
  readonly aborts: Stream.Stream<ReadonlyArray<Id<"turns">>, ConvexSyncError>
  /** The files of a claimed turn. */
  readonly files: FileStore["ofTurn"]
  readonly conversation: (sessionId: Id<"sessions">) => Conversation
  /** Null: the turn is no longer ready, or another process has it. */
  readonly claim: (turnId: Id<"turns">, ids: PromptIds) => Effect.Effect<ClaimedPrompt | null, ConvexSyncError>
  /** Moves the claim of an earlier process to this one. Null: the turn has ended, or an abort is requested. */
  readonly adopt: (turnId: Id<"turns">) => Effect.Effect<AdoptedTurn | null, ConvexSyncError>
  /** Records that the agent has stored the prompt. */
  readonly deliver: (turnId: Id<"turns">) => Effect.Effect<unknown, ConvexSyncError>
  /** The text that was written so far, in the order in which its parts began. */
  readonly streamed: (turnId: Id<"turns">) => Effect.Effect<ReadonlyArray<StreamedPart>, ConvexSyncError>
  /** Stores the result, and deletes the streamed text, in one transaction. A turn that has ended does not change. */
  readonly finish: (turnId: Id<"turns">, result: TurnResult) => Effect.Effect<unknown, ConvexSyncError>
  /** Takes back the claim with this `messageId`, and no other. Refuses a turn that was delivered. */
  readonly requeue: (turnId: Id<"turns">, messageId: string | null) => Effect.Effect<unknown, ConvexSyncError>
  /** At most 20 turns that were claimed and have not ended, except the at most 20 that are `running` in this process. */
  readonly orphaned: (
    running: ReadonlyArray<Id<"turns">>
  ) => Effect.Effect<ReadonlyArray<OrphanedTurn>, ConvexSyncError>
  readonly requests: RequestStore
}

/** A refusal of `sessions.linkOpenCodeSession` with `Conflict` means that the operator deletes the session. */
const toAgentError = ({ message, reason }: ConvexSyncError) =>
  new AgentError({
    reason:
      reason._tag === "Rejected" && reason.code === "Conflict"
        ? new Deleting()
        : new Failed({ name: reason._tag, message })
  })

const conversation = (lease: Lease["Service"], sessionId: Id<"sessions">): Conversation => ({
  sessionId,
  read: lease.query(api.sessions.getForWorker, { sessionId }).pipe(
    Effect.map(({ createdAt, historyLost, opencodeSessionId, title }) => ({
      agentSessionId: opencodeSessionId,
      title,
      historyLost,
      createdAt
    })),
    Effect.mapError(toAgentError)
  ),
  link: (agentSessionId) =>
    Effect.mapError(
      lease.mutation(api.sessions.linkOpenCodeSession, { sessionId, opencodeSessionId: agentSessionId }),
      toAgentError
    )
})

/** All deltas of a turn, page by page. */
const readDeltas = (lease: Lease["Service"], turnId: Id<"turns">) =>
  Stream.runCollect(
    Stream.paginate(0, (after: number) =>
      Effect.map(
        lease.query(api.queue.listDeltas, { turnId, after }),
        (page) => [page, Option.fromUndefinedOr(page.at(-1)?.seq)] as const
      )
    )
  )

/** The store over a lease. `limit`: ready turns in one window, 1 to 20. */
export const turnStore = (lease: Lease["Service"], limit = MAX_PAGE, files = fileStore(lease)): TurnStore => ({
  windows: lease.subscribe(api.queue.listReady, { limit }),
  aborts: lease.subscribe(api.queue.aborts, { limit: MAX_PAGE }),
  files: files.ofTurn,
  conversation: (sessionId) => conversation(lease, sessionId),
  claim: (turnId, ids) => lease.mutation(api.queue.claim, { turnId, ...ids }),
  adopt: (turnId) => lease.mutation(api.adopt.turn, { turnId }),
  deliver: (turnId) => lease.mutation(api.queue.markDelivered, { turnId }),
  streamed: (turnId) => Effect.map(readDeltas(lease, turnId), joinDeltas),
  finish: (turnId, result) =>
    Effect.flatMap(files.keep(result.parts), ({ files: kept, parts }) =>
      lease.mutation(api.queue.finish, {
        turnId,
        ...truncateToLimits({ ...result, parts }),
        ...(kept.length > 0 && { files: kept }),
        ...(result.announcesLoss === true && { announcesLoss: true })
      })
    ),
  requeue: (turnId, messageId) =>
    lease.mutation(api.queue.requeue, { turnId, ...(messageId !== null && { messageId }) }),
  orphaned: (running) =>
    Effect.map(lease.query(api.queue.listOrphaned, { limit: MAX_PAGE, running: [...running] }), (turns) =>
      turns.map(({ opencodeSessionId, ...turn }) => ({ ...turn, agentSessionId: opencodeSessionId }))
    ),
  requests: requestStore(lease)
})

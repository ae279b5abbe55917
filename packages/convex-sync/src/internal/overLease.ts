/** What each part needs of a deployment, done by the backend's functions, under the lease of this process. */
import type { Id } from "@opencode-worker/convex-backend/api"
import { MAX_PAGE } from "@opencode-worker/convex-backend/limits"
import { Effect } from "effect"
import { api } from "../Backend.ts"
import type { CommandsPort } from "../Commands.ts"
import type { WriteDeltas } from "../DeltaWriter.ts"
import type { HistoryStore } from "../History.ts"
import type { InboxPort } from "../Inbox.ts"
import type { Lease } from "../Lease.ts"
import type { ModelPublisherPort } from "../ModelPublisher.ts"
import type { StorePort } from "../Requests.ts"
import type { Listed } from "../SessionMerge.ts"
import type { SessionStore } from "../SessionSync.ts"

export const inboxOver = (lease: Lease["Service"], limit = MAX_PAGE): InboxPort => ({
  windows: lease.subscribe(api.queue.ready, { limit }),
  claim: (turnId, ids) => lease.mutation(api.queue.claim, { turnId, ...ids }).pipe(Effect.map((reply) => reply.claimed))
})

export const deltasOver =
  (lease: Lease["Service"]): WriteDeltas =>
  (batches) =>
    lease.mutation(api.queue.appendDeltas, {
      batches: batches.map((batch) => ({ ...batch, segments: [...batch.segments] }))
    })

export const requestsOver = (lease: Lease["Service"]): StorePort => ({
  open: (request) => lease.mutation(api.requests.open, request),
  applied: (use) => lease.mutation(api.requests.applied, use),
  answers: lease.subscribe(api.requests.answers, { limit: MAX_PAGE }),
  close: (requestId, as) => lease.mutation(api.requests.close, { requestId, as })
})

export const commandsOver = (lease: Lease["Service"]): CommandsPort => ({
  epoch: lease.epoch,
  windows: lease.subscribe(api.commands.queued, { limit: MAX_PAGE }),
  settle: (commandId, error) =>
    lease.mutation(api.commands.settle, { commandId, ...(error !== undefined && { error }) })
})

export const historyOver = (lease: Lease["Service"], sessionId: Id<"sessions">): HistoryStore => ({
  running: lease.query(api.history.running, { sessionId }),
  known: (messageIds) => lease.query(api.history.known, { sessionId, messageIds: [...messageIds] }),
  add: (turns, runningId) =>
    lease.mutation(api.history.add, { sessionId, turns: [...turns], ...(runningId !== undefined && { runningId }) })
})

export const modelsOver = (lease: Lease["Service"]): ModelPublisherPort => ({
  published: lease.query(api.models.published, {}),
  publish: (catalog) => lease.mutation(api.models.publish, catalog)
})

const listed = ({ archived, id, madeFor, revertedFrom, title, updated }: Listed) => ({
  opencodeSessionId: id,
  title,
  updatedAt: updated,
  ...(madeFor !== undefined && { madeFor }),
  ...(archived === true && { archived }),
  ...(revertedFrom !== undefined && { revertedFrom })
})

export const sessionsOver = (lease: Lease["Service"]): SessionStore => ({
  watermark: lease.query(api.sync.watermark, {}),
  outdated: (sessions) => lease.query(api.sync.outdated, { sessions: sessions.map(listed) }),
  apply: ({ sessions, watermark }) =>
    lease.mutation(api.sync.apply, {
      sessions: sessions.map(listed),
      ...(watermark !== undefined && { watermark })
    }),
  forget: (ids) => lease.mutation(api.sync.forget, { opencodeSessionIds: [...ids] }),
  forgetPrompts: (messages) => lease.mutation(api.sync.forgetPrompts, { messages: [...messages] })
})

/** A worker of the real backend, over a real connection. */
import type { Id } from "@opencode-worker/convex-backend/api"
import { Effect, Layer } from "effect"
import { ConvexClient } from "@opencode-worker/effect-convex"
import {
  api,
  commandStore,
  deltaStore,
  History,
  Lease,
  ModelPublisher,
  requestStore,
  SessionSync,
  turnStore
} from "../../src/index.ts"
import type { Operator, Process, Worker } from "../conformance/Worker.ts"
import { connection, pair } from "./deployment.ts"

const firstPage = { numItems: 20, cursor: null }

const processOf = Effect.gen(function* () {
  const lease = yield* Lease
  return {
    lease,
    turns: turnStore(lease),
    write: deltaStore(lease),
    requests: requestStore(lease),
    commands: commandStore(lease),
    sessions: SessionSync.storeOf(lease),
    history: (sessionId) => History.storeOf(lease, sessionId),
    models: ModelPublisher.storeOf(lease)
  } satisfies Process
})

const operatorOf = ({ mutation, query }: ConvexClient["Service"], workerId: Id<"workers">): Operator => {
  let keys = 0
  const key = () => ({ idempotencyKey: String(++keys) })
  return {
    presence: Effect.map(query(api.workers.list, {}), ([worker]) => worker ?? { phase: "gone", online: false }),
    revoke: mutation(api.workers.revoke, { workerId }),
    createSession: Effect.suspend(() => mutation(api.sessions.create, { workerId, ...key() })),
    sessions: Effect.map(query(api.sessions.list, { paginationOpts: firstPage }), ({ page }) => page),
    rename: (sessionId, title) => mutation(api.sessions.rename, { sessionId, title, ...key() }),
    send: (sessionId, text) => mutation(api.turns.send, { sessionId, text, ...key() }),
    turns: (sessionId) =>
      Effect.map(query(api.turns.list, { sessionId, paginationOpts: firstPage }), ({ page }) =>
        page.map(({ head, status, turnId }) => ({ text: head, status, turnId }))
      ),
    abort: (turnId) => mutation(api.turns.abort, { turnId }),
    watch: (sessionId) => mutation(api.sessions.watch, { sessionId }),
    streamed: (turnId) =>
      Effect.map(query(api.turns.live, { turnId, after: 0 }), ({ deltas }) =>
        deltas.flatMap(({ segments }) => segments.map(({ text }) => text)).join("")
      ),
    parts: (turnId) => Effect.map(query(api.turns.parts, { turnId, paginationOpts: firstPage }), ({ page }) => page),
    pause: Effect.suspend(() => mutation(api.workers.pause, { workerId, ...key() })),
    outcome: (commandId) => query(api.commands.get, { commandId }),
    pending: (sessionId) => query(api.requests.pending, { sessionId }),
    answer: (requestId, answer) =>
      Effect.flatMap(query(api.requests.get, { requestId }), ({ hash }) =>
        mutation(api.requests.answer, { requestId, hash, answer })
      ),
    models: query(api.models.get, { workerId })
  }
}

/** Each worker has its own operator. */
export const deployedWorker = Effect.gen(function* () {
  const convex = yield* connection(crypto.randomUUID())
  const credentials = yield* pair(convex)
  return {
    start: (processId) =>
      Layer.build(Lease.layer(credentials, { processId })).pipe(
        Effect.flatMap((services) => Effect.provideContext(processOf, services)),
        Effect.provideService(ConvexClient, convex)
      ),
    operator: operatorOf(convex, credentials.workerId)
  } satisfies Worker
})

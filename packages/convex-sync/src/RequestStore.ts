/** The deployment's side of requests. Every call may be repeated. */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_PAGE } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs, FunctionReturnType } from "convex/server"
import type { Effect, Stream } from "effect"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import type { Lease } from "./Lease.ts"

export type AnsweredRequest = FunctionReturnType<typeof backendApi.requests.answers>[number]

/** An operator's answer: see `requests.answer` of the backend. */
export type Answer = AnsweredRequest["answer"]

export type OpenedRequest = Omit<FunctionArgs<typeof backendApi.requests.open>, "workerId" | "secret" | "epoch">

export interface RequestStore {
  readonly open: (request: OpenedRequest) => Effect.Effect<Id<"requests">, ConvexSyncError>
  /** The requests that were answered and are not closed, now and at each change. */
  readonly answers: Stream.Stream<ReadonlyArray<AnsweredRequest>, ConvexSyncError>
  readonly close: (
    requestId: Id<"requests">,
    as: "answered" | "expired" | "cancelled"
  ) => Effect.Effect<unknown, ConvexSyncError>
  /** An `always` answer of `requestId` was applied to a later request, `subject`. */
  readonly applied: (use: {
    readonly requestId: Id<"requests">
    readonly turnId: Id<"turns">
    readonly subject: string
  }) => Effect.Effect<unknown, ConvexSyncError>
}

export const requestStore = (lease: Lease["Service"]): RequestStore => ({
  open: (request) => lease.mutation(api.requests.open, request),
  applied: (use) => lease.mutation(api.requests.applied, use),
  answers: lease.subscribe(api.requests.answers, { limit: MAX_PAGE }),
  close: (requestId, as) => lease.mutation(api.requests.close, { requestId, as })
})

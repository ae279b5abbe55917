/** The deployment's side of requests. Every call may be repeated. */
import type { api as backendApi, Id } from "@opencode-worker/convex-backend/api"
import { MAX_PAGE } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs, FunctionReturnType } from "convex/server"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import type { Lease } from "./Lease.ts"

export type AnsweredRequest = FunctionReturnType<typeof backendApi.requests.answers>[number]

/** An operator's answer: see `requests.answer` of the backend. */
export type Answer = AnsweredRequest["answer"]

export type OpenedRequest = Omit<FunctionArgs<typeof backendApi.requests.open>, "workerId" | "secret" | "epoch">

/** `requestId`: null if an approval covers the request, so that it is not stored. `answer`: null if there is none yet. */
export type StoredRequest = FunctionReturnType<typeof backendApi.requests.open>

export interface RequestStore {
  readonly open: (request: OpenedRequest) => Effect.Effect<StoredRequest, ConvexSyncError>
  /** The requests that were answered and are not closed, now and at each change. */
  readonly answers: Stream.Stream<ReadonlyArray<AnsweredRequest>, ConvexSyncError>
  readonly close: (
    requestId: Id<"requests">,
    as: "answered" | "expired" | "cancelled"
  ) => Effect.Effect<unknown, ConvexSyncError>
}

export const requestStore = (lease: Lease["Service"]): RequestStore => ({
  open: (request) => lease.mutation(api.requests.open, request),
  answers: lease.subscribe(api.requests.answers, { limit: MAX_PAGE }),
  close: (requestId, as) => lease.mutation(api.requests.close, { requestId, as })
})

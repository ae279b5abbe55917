import { api, type Answer, type OpenRequest, type PendingRequest, type RequestId, type SessionId } from "../api.ts"
import { type CallOptions, type Calls } from "../internal/calls.ts"
import { watchQuery } from "../internal/watchQuery.ts"

export const makeRequests = ({ connection, mutation, query }: Calls) => ({
  /** The requests that wait, of one session or of all, the oldest 100. `expiresAt`: null if there is no time limit. */
  list: ({ sessionId, ...options }: CallOptions & { readonly sessionId?: SessionId } = {}): Promise<
    ReadonlyArray<PendingRequest>
  > => query(api.requests.pending, sessionId === undefined ? {} : { sessionId }, options),
  watch: ({ sessionId, signal }: CallOptions & { readonly sessionId?: SessionId } = {}): AsyncIterable<
    ReadonlyArray<PendingRequest>
  > => watchQuery(connection, api.requests.pending, sessionId === undefined ? {} : { sessionId }, signal),
  /** A request with its whole content: show all of it before you answer. */
  get: (requestId: RequestId, options?: CallOptions): Promise<OpenRequest> =>
    query(api.requests.get, { requestId }, options),
  /**
   * Answers a request as you have shown it: `hash` binds the answer to that content. The first answer stands. The same answer
   * again has no effect; another one rejects with `Conflict`.
   */
  answer: async (
    { hash, requestId }: Pick<PendingRequest, "requestId" | "hash">,
    answer: Answer,
    options?: CallOptions
  ): Promise<void> => {
    await mutation(api.requests.answer, { requestId, hash, answer }, options)
  }
})

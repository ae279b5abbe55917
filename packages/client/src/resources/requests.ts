import { api, type Answer, type OpenRequest, type PendingRequest, type RequestId, type SessionId } from "../api.ts"
import { type CallOptions, type Calls } from "../internal/calls.ts"
import { watchQuery } from "../internal/watchQuery.ts"

export const makeRequests = ({ connection, mutation, query }: Calls) => ({
  /** The requests that wait, of one session or of all, the oldest 100. */
  list: ({ sessionId, ...options }: CallOptions & { readonly sessionId?: SessionId } = {}): Promise<
    ReadonlyArray<PendingRequest>
  > => query(api.requests.pending, sessionId === undefined ? {} : { sessionId }, options),
  watch: ({ sessionId, signal }: CallOptions & { readonly sessionId?: SessionId } = {}): AsyncIterable<
    ReadonlyArray<PendingRequest>
  > => watchQuery(connection, api.requests.pending, sessionId === undefined ? {} : { sessionId }, signal),
  /** A request with its whole content: show all of it before you answer. */
  get: (requestId: RequestId, options?: CallOptions): Promise<OpenRequest> =>
    query(api.requests.get, { requestId }, options),
  /** The first answer stands. The same answer again has no effect; another one rejects with `Conflict`. */
  answer: async (requestId: RequestId, answer: Answer, options?: CallOptions): Promise<void> => {
    await mutation(api.requests.answer, { requestId, answer }, options)
  }
})

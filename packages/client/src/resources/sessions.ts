import { api, type CommandId, type Session, type SessionDetails, type SessionId, type WorkerId } from "../api.ts"
import { type CallOptions, type Calls, keyed, type MutationOptions, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"
import { type Emitter, updates } from "../internal/updates.ts"
import { watchQuery } from "../internal/watchQuery.ts"

export const makeSessions = ({ connection, mutation, query }: Calls) => ({
  /** All sessions, or those of a worker, the latest activity first; pages are read as you iterate. */
  list: ({ workerId, ...options }: CallOptions & { readonly workerId?: WorkerId } = {}): AsyncIterable<Session> =>
    pages(pageSize, (paginationOpts) =>
      query(api.sessions.list, { paginationOpts, ...(workerId !== undefined && { workerId }) }, options)
    ),
  /** The sessions with the latest activity, at most 100. */
  watch: ({
    limit = pageSize,
    signal,
    workerId
  }: CallOptions & { readonly limit?: number; readonly workerId?: WorkerId } = {}): AsyncIterable<
    ReadonlyArray<Session>
  > => {
    const args = { paginationOpts: { numItems: limit, cursor: null }, ...(workerId !== undefined && { workerId }) }
    const subscribe = ({ emit, fail }: Emitter<ReadonlyArray<Session>>) =>
      connection.subscribe(api.sessions.list, args, ({ page }) => emit(page), fail)
    return updates(subscribe, signal)
  },
  /** Null if there is no such session of yours. */
  get: (sessionId: SessionId, options?: CallOptions): Promise<SessionDetails | null> =>
    query(api.sessions.get, { sessionId }, options),
  /** As `get`, now and at each change: the todos, the use of the context, and the queue. */
  follow: (sessionId: SessionId, { signal }: CallOptions = {}): AsyncIterable<SessionDetails | null> =>
    watchQuery(connection, api.sessions.get, { sessionId }, signal),
  /** Creates a session on a worker, which may be offline. */
  create: (
    workerId: WorkerId,
    { title, ...options }: MutationOptions & { readonly title?: string } = {}
  ): Promise<SessionId> =>
    mutation(api.sessions.create, { workerId, ...(title !== undefined && { title }), ...keyed(options) }, options),
  rename: (sessionId: SessionId, title: string, options?: MutationOptions): Promise<CommandId> =>
    mutation(api.sessions.rename, { sessionId, title, ...keyed(options) }, options),
  /** Deletes a session here and in OpenCode. Null if no worker is needed for it. */
  delete: (sessionId: SessionId, options?: MutationOptions): Promise<CommandId | null> =>
    mutation(api.sessions.remove, { sessionId, ...keyed(options) }, options),
  /** Makes the worker import what OpenCode has of the session and the deployment has not. */
  loadHistory: (sessionId: SessionId, options?: MutationOptions): Promise<CommandId> =>
    mutation(api.sessions.loadHistory, { sessionId, ...keyed(options) }, options),
  /** Reports for 45 s that the session is being read. Turns that are followed do this by themselves. */
  keepWatched: async (sessionId: SessionId, options?: CallOptions): Promise<void> => {
    await mutation(api.sessions.watch, { sessionId }, options)
  }
})

import { api, type AuditEntry, type CommandId, type PairingPreview, type Worker, type WorkerId } from "../api.ts"
import { type CallOptions, type Calls, keyed, type MutationOptions, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"
import { watchQuery } from "../internal/watchQuery.ts"

export const makeWorkers = ({ action, connection, mutation, query }: Calls) => {
  const command =
    (reference: typeof api.workers.pause) =>
    (workerId: WorkerId, options?: MutationOptions): Promise<CommandId> =>
      mutation(reference, { workerId, ...keyed(options) }, options)
  return {
    /** At most 100: approved workers before revoked ones, the newest first. */
    list: (options?: CallOptions): Promise<ReadonlyArray<Worker>> => query(api.workers.list, {}, options),
    watch: ({ signal }: CallOptions = {}): AsyncIterable<ReadonlyArray<Worker>> =>
      watchQuery(connection, api.workers.list, {}, signal),
    /** The worker that shows a pairing code. A wrong code counts as in `approve`. */
    preview: (code: string, options?: CallOptions): Promise<PairingPreview> =>
      action(api.pairing.preview, { code }, options),
    /** Makes the worker that shows the code yours. After 10 wrong codes every code is refused for 10 minutes. */
    approve: (code: string, options?: CallOptions): Promise<WorkerId> => action(api.pairing.approve, { code }, options),
    /** Stops taking turns; running turns continue. Like `resume` and `drain`, rejects if the worker is offline. */
    pause: command(api.workers.pause),
    resume: command(api.workers.resume),
    /** Waits for the running turns, then stops the worker. */
    drain: command(api.workers.drain),
    /** Takes the approval back, immediately. Running turns become `interrupted`. */
    revoke: async (workerId: WorkerId, options?: CallOptions): Promise<void> => {
      await mutation(api.workers.revoke, { workerId }, options)
    },
    /** Security-relevant actions of and on a worker, the newest first. */
    audit: (workerId: WorkerId, options?: CallOptions): AsyncIterable<AuditEntry> =>
      pages(pageSize, (paginationOpts) => query(api.workers.audit, { workerId, paginationOpts }, options))
  }
}

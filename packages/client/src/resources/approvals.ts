import { api, type Approval, type ApprovalId, type WorkerId } from "../api.ts"
import { type CallOptions, type Calls, pageSize } from "../internal/calls.ts"
import { pages } from "../internal/pages.ts"

/** Permissions that were allowed for later requests, by the answers `turn`, `session` and `always`. */
export const makeApprovals = ({ mutation, query }: Calls) => ({
  /** All approvals, or those of a worker, the newest first; pages are read as you iterate. */
  list: ({ workerId, ...options }: CallOptions & { readonly workerId?: WorkerId } = {}): AsyncIterable<Approval> =>
    pages(pageSize, (paginationOpts) =>
      query(api.approvals.list, { paginationOpts, ...(workerId !== undefined && { workerId }) }, options)
    ),
  /** The approval covers no request from now on. */
  revoke: async (approvalId: ApprovalId, options?: CallOptions): Promise<void> => {
    await mutation(api.approvals.revoke, { approvalId }, options)
  }
})

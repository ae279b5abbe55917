/**
 * Permissions that an operator allowed for later requests of the same scope, in a turn, in a session, or with a worker until
 * they are revoked.
 *
 * Invariants
 * - The worker computes the scope of a request, from the normalised command and from real paths. Equality of scopes decides;
 *   no pattern is matched.
 * - An approval is read in the transaction that would store the request, so a revoked one covers nothing from then on.
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { ownedWorker } from "./authorize.ts"
import { auditOperator } from "./audit.ts"
import { approverMutation, operatorQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { clamp, MAX_APPROVALS, MAX_SMALL_PAGE } from "./limits.ts"

type Approval = Doc<"approvals">
type Place = { readonly turnId: Id<"turns">; readonly sessionId: Id<"sessions">; readonly workerId: Id<"workers"> }

const approvalIn = (ctx: QueryCtx, within: Approval["within"], scope: string): Promise<Approval | null> =>
  ctx.db
    .query("approvals")
    .withIndex("by_within_scope", (q) => q.eq("within", within).eq("scope", scope))
    .first()

/** The approval that covers a request of this scope, or null. */
export const findApproval = async (
  ctx: QueryCtx,
  { turnId, sessionId, workerId }: Place,
  scope: string | undefined
): Promise<Approval | null> => {
  if (scope === undefined) return null
  return (
    (await approvalIn(ctx, turnId, scope)) ??
    (await approvalIn(ctx, sessionId, scope)) ??
    (await approvalIn(ctx, workerId, scope))
  )
}

const withinOf = ({ turnId, sessionId, workerId }: Place, reach: Approval["reach"]): Approval["within"] =>
  ({ turn: turnId, session: sessionId, always: workerId })[reach]

/** Stores the approval of a request. Fails with `Conflict` if too many are stored. */
export const approve = async (
  ctx: MutationCtx,
  request: Doc<"requests"> & { readonly scope: string },
  reach: Approval["reach"],
  approvedBy: string
): Promise<Approval> => {
  const within = withinOf(request, reach)
  const existing = await approvalIn(ctx, within, request.scope)
  if (existing !== null) return existing
  const others = await ctx.db
    .query("approvals")
    .withIndex("by_within_scope", (q) => q.eq("within", within))
    .take(MAX_APPROVALS)
  if (others.length === MAX_APPROVALS) {
    throw appError("Conflict", `There are ${MAX_APPROVALS} approvals of this kind: revoke some, or allow it once`)
  }
  const { ownerId, workerId, scope, subject, permission, always } = request
  const approval = { permission: permission ?? "", label: always?.label ?? "", subject, approvedBy }
  const approvalId = await ctx.db.insert("approvals", { ownerId, workerId, within, reach, scope, ...approval })
  const stored = await ctx.db.get(approvalId)
  if (stored === null) throw new Error("The approval that was inserted is not there")
  return stored
}

/** Records the use of an approval in a turn: one audit row per turn and approval. */
export const recordUse = async (
  ctx: MutationCtx,
  approval: Approval,
  { turnId, subject }: { readonly turnId: Id<"turns">; readonly subject: string }
): Promise<void> => {
  const { _id, appliedIn, approvedBy, label, reach, workerId } = approval
  if (appliedIn === turnId) return
  await ctx.db.patch(_id, { appliedIn: turnId })
  const detail = `${reach} ${label}, in turn ${turnId}, first to: ${subject}`
  await ctx.db.insert("audit", { actorId: approvedBy, action: "apply", workerId, detail })
}

/** Deletes the approvals that were valid in a turn, session or worker. */
export const deleteApprovals = async (ctx: MutationCtx, within: Approval["within"]): Promise<void> => {
  const approvals = await ctx.db
    .query("approvals")
    .withIndex("by_within_scope", (q) => q.eq("within", within))
    .take(MAX_APPROVALS)
  for (const { _id } of approvals) await ctx.db.delete(_id)
}

/** Deletes all approvals of a worker, in as many transactions as needed. */
export const deleteApprovalsOf = async (ctx: MutationCtx, ownerId: string, workerId: Id<"workers">): Promise<void> => {
  const approvals = await ctx.db
    .query("approvals")
    .withIndex("by_owner_worker", (q) => q.eq("ownerId", ownerId).eq("workerId", workerId))
    .take(MAX_APPROVALS)
  for (const { _id } of approvals) await ctx.db.delete(_id)
  if (approvals.length === MAX_APPROVALS) {
    await ctx.scheduler.runAfter(0, internal.approvals.ofRevoked, { ownerId, workerId })
  }
}

/** Deletes further approvals of a worker that was revoked. */
export const ofRevoked = internalMutation({
  args: { ownerId: v.string(), workerId: v.id("workers") },
  handler: async (ctx, { ownerId, workerId }): Promise<null> => {
    await deleteApprovalsOf(ctx, ownerId, workerId)
    return null
  }
})

/** A page of your approvals (up to 100), of one worker or of all, the newest first. */
export const list = operatorQuery({
  args: { workerId: v.optional(v.id("workers")), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { workerId, paginationOpts }) => {
    if (workerId !== undefined) await ownedWorker(ctx, workerId)
    const approvals = ctx.db.query("approvals")
    const range =
      workerId === undefined
        ? approvals.withIndex("by_owner", (q) => q.eq("ownerId", ctx.operator))
        : approvals.withIndex("by_owner_worker", (q) => q.eq("ownerId", ctx.operator).eq("workerId", workerId))
    const numItems = clamp(paginationOpts.numItems, MAX_SMALL_PAGE)
    const result = await range.order("desc").paginate({ ...paginationOpts, numItems })
    const page = result.page.map(({ _id, _creationTime, ...approval }) => ({
      approvalId: _id,
      workerId: approval.workerId,
      /** Where it is valid: in one turn, in one session, or with this worker. */
      reach: approval.reach,
      within: approval.within,
      permission: approval.permission,
      label: approval.label,
      subject: approval.subject,
      approvedBy: approval.approvedBy,
      createdAt: _creationTime
    }))
    return { ...result, page }
  }
})

/** Revokes an approval, which covers no request from now on. Repeating the call has no effect. */
export const revoke = approverMutation({
  args: { approvalId: v.id("approvals") },
  handler: async (ctx, { approvalId }) => {
    const approval = await ctx.db.get(approvalId)
    if (approval === null) return null
    const { ownerId, workerId, label, permission, reach } = approval
    if (ownerId !== ctx.operator) throw appError("NotFound", "You have no such approval")
    await ctx.db.delete(approvalId)
    const detail = `${reach} ${permission}: ${label}`
    await auditOperator(ctx, { action: "revokeApproval", workerId, detail })
    return null
  }
})

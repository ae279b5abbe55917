/**
 * Requests (permissions and questions) of an agent, and the answers of operators.
 *
 * ```
 *   open ──▶ pending ──answer──▶ answered ──close("answered")──▶ the agent has the answer
 *               │                   └── turn ended first ──▶ cancelled
 *               ├── time limit ──▶ expired
 *               └── turn ended, or answered in OpenCode's own terminal ──▶ cancelled
 * ```
 *
 * Invariants
 * - No request outlives its turn, and none is pending longer than its time limit and a minute, even if its worker died. A
 *   request without a time limit is pending until its turn ends.
 * - A request is stored with its whole content. A worker rejects requests that do not fit, so that operators never answer a
 *   truncated request.
 * - A stored request shows the same forever. Its `hash` comes back with the answer: a request that a later process of the
 *   worker describes differently is a new one.
 * - An approval for later requests is stored in the transaction of the answer: see `approvals`.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { findApproval, recordUse } from "./approvals.ts"
import { auditOperator } from "./audit.ts"
import { assignedTurn, ownedSession } from "./authorize.ts"
import { approverMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { removeItem, showItem } from "./inboxItems.ts"
import {
  clamp,
  checkCount,
  checkText,
  MAX_NAME,
  MAX_OPEN_REQUESTS,
  MAX_PAGE,
  MAX_SMALL_PAGE,
  REQUEST_GRACE
} from "./limits.ts"
import { allowLater, checkAnswer, reachOf, type RequestAnswer, sameAnswer } from "./requestAnswers.ts"
import { checkCard, encodeContent, expiryOf, hashCard, insertContent, readContent } from "./requestContents.ts"
import { requestAnswer, requestAskedBy, requestContent } from "./validators.ts"

const openOf = (ctx: QueryCtx, turnId: Id<"turns">): Promise<Array<Doc<"requests">>> =>
  ctx.db
    .query("requests")
    .withIndex("by_turn_open", (q) => q.eq("turnId", turnId).eq("open", true))
    .take(MAX_OPEN_REQUESTS)

/** Whether a request of a turn waits for an answer. */
export const hasPending = async (ctx: QueryCtx, turnId: Id<"turns">): Promise<boolean> =>
  (await openOf(ctx, turnId)).some(({ status }) => status === "pending")

/** Ends a request that the agent has no answer to, or has the answer to. */
const closeAs = async (ctx: MutationCtx, requestId: Id<"requests">, status: "answered" | "cancelled" | "expired") => {
  await ctx.db.patch(requestId, { status, open: false })
  await removeItem(ctx, requestId)
}

/** Cancels the open requests of a turn, in the transaction that ends it. Returns those that waited for an answer. */
export const closeRequests = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<Array<Doc<"requests">>> => {
  const open = await openOf(ctx, turnId)
  for (const { _id } of open) await closeAs(ctx, _id, "cancelled")
  return open.filter(({ status }) => status === "pending")
}

const scheduleExpiry = async (ctx: MutationCtx, requestId: Id<"requests">, expiresAt: number | null) => {
  if (expiresAt !== null) await ctx.scheduler.runAt(expiresAt + REQUEST_GRACE, internal.requests.expire, { requestId })
}

/**
 * Opens a request for `timeLimit` milliseconds (1 second to 20 days; null: no limit). Returns its id, and the answer if there
 * is one already. A request in the scope of an approval is not stored: its id is null, and the answer is `once`. Idempotent
 * by `opencodeId` while the request is open and shows the same. `content`: as JSON at most 1,000,000 characters. Fails with
 * `Conflict` if the turn is not running in this epoch.
 */
export const open = workerMutation({
  args: {
    turnId: v.id("turns"),
    opencodeId: v.string(),
    subject: v.string(),
    askedBy: requestAskedBy,
    directory: v.string(),
    /** `scope`: equal for requests that one approval covers; at most 500 characters. */
    always: v.union(v.object({ scope: v.string(), label: v.string() }), v.null()),
    content: requestContent,
    timeLimit: v.union(v.number(), v.null())
  },
  handler: async (
    ctx,
    { turnId, opencodeId, timeLimit, always, ...card }
  ): Promise<{ requestId: Id<"requests"> | null; answer: RequestAnswer | null }> => {
    checkText("opencodeId", opencodeId, MAX_NAME)
    checkCard({ ...card, always })
    const json = encodeContent(card.content)
    const expiresAt = expiryOf(timeLimit)
    const { _id: workerId, epoch } = ctx.worker
    const turn = await assignedTurn(ctx, turnId)
    const { ownerId, sessionId } = turn
    const existing = await ctx.db
      .query("requests")
      .withIndex("by_worker_opencode", (q) => q.eq("workerId", workerId).eq("opencodeId", opencodeId))
      .order("desc")
      .first()
    if (turn.finished || turn.epoch !== epoch) {
      if (existing !== null) return { requestId: existing._id, answer: null }
      throw appError("Conflict", `Cannot open a request: the turn is ${turn.status} (epoch ${turn.epoch ?? "none"})`)
    }
    const { subject, askedBy, directory } = card
    const label = always === null ? null : { label: always.label }
    const hash = await hashCard({ subject, askedBy, directory, always: label, content: json })
    if (existing !== null && (existing.open || existing.epoch === epoch) && existing.hash === hash) {
      // A later process of the worker asks it again.
      if (existing.epoch !== epoch) {
        await ctx.db.patch(existing._id, { epoch, expiresAt })
        await scheduleExpiry(ctx, existing._id, expiresAt)
      }
      return { requestId: existing._id, answer: existing.open ? (existing.answer ?? null) : null }
    }
    if (existing?.open === true) await closeAs(ctx, existing._id, "cancelled")
    const approval = await findApproval(ctx, { turnId, sessionId, workerId }, always?.scope)
    if (approval !== null) {
      await recordUse(ctx, approval, { turnId, subject })
      return { requestId: null, answer: { type: "once" } }
    }
    checkCount("The turn's open requests", (await openOf(ctx, turnId)).length + 1, MAX_OPEN_REQUESTS)
    const requestId = await ctx.db.insert("requests", {
      ownerId,
      workerId,
      sessionId,
      turnId,
      epoch,
      opencodeId,
      kind: card.content.kind,
      permission: card.content.kind === "permission" ? card.content.permission : null,
      subject,
      askedBy,
      directory,
      always: label,
      ...(always !== null && { scope: always.scope }),
      hash,
      size: json.length,
      status: "pending",
      open: true,
      expiresAt
    })
    await insertContent(ctx, requestId, json)
    await showItem(ctx, { ownerId, kind: "asked", key: requestId, workerId, sessionId, turnId, requestId, subject })
    await scheduleExpiry(ctx, requestId, expiresAt)
    return { requestId, answer: null }
  }
})

/** Answers to forward to the agent, the oldest first, at most `limit` (up to 20). Closed requests leave the list. */
export const answers = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const rows = await ctx.db
      .query("requests")
      .withIndex("by_worker_open", (q) => q.eq("workerId", ctx.worker._id).eq("open", true).eq("status", "answered"))
      .take(clamp(limit, MAX_PAGE))
    return rows.flatMap(({ _id, turnId, opencodeId, kind, answer }) =>
      answer === undefined ? [] : [{ requestId: _id, turnId, opencodeId, kind, answer }]
    )
  }
})

/**
 * Closes a request. `answered`: the agent has the answer. `expired`, `cancelled`: the agent receives no answer, even if an
 * operator has answered meanwhile. Has no effect on a closed request.
 */
export const close = workerMutation({
  args: {
    requestId: v.id("requests"),
    as: v.union(v.literal("answered"), v.literal("expired"), v.literal("cancelled"))
  },
  handler: async (ctx, { requestId, as }) => {
    const request = await ctx.db.get(requestId)
    if (request?.workerId !== ctx.worker._id) throw appError("NotFound", "This worker has no such request")
    if (!request.open) return null
    if (as === "answered" && request.status !== "answered") {
      throw appError("Conflict", "This request has no answer, so it cannot be closed as answered")
    }
    await closeAs(ctx, requestId, as)
    return null
  }
})

const toRequestSummary = (request: Doc<"requests">) => ({
  requestId: request._id,
  sessionId: request.sessionId,
  turnId: request.turnId,
  kind: request.kind,
  permission: request.permission,
  subject: request.subject,
  askedBy: request.askedBy,
  directory: request.directory,
  always: request.always,
  size: request.size,
  hash: request.hash,
  status: request.status,
  answer: request.answer ?? null,
  createdAt: request._creationTime,
  expiresAt: request.expiresAt
})

/**
 * Your pending requests, of one session or of all, the oldest 100 first, without content: see `get`. `expiresAt`: null if
 * the request has no time limit.
 */
export const pending = operatorQuery({
  args: { sessionId: v.optional(v.id("sessions")) },
  handler: async (ctx, { sessionId }) => {
    if (sessionId !== undefined) await ownedSession(ctx, sessionId)
    const requests = ctx.db.query("requests")
    const range =
      sessionId === undefined
        ? requests.withIndex("by_owner_status", (q) => q.eq("ownerId", ctx.operator).eq("status", "pending"))
        : requests.withIndex("by_session_status", (q) => q.eq("sessionId", sessionId).eq("status", "pending"))
    return (await range.take(MAX_SMALL_PAGE)).map(toRequestSummary)
  }
})

const ownedRequest = async (ctx: QueryCtx & { readonly operator: string }, requestId: Id<"requests">) => {
  const request = await ctx.db.get(requestId)
  if (request?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such request")
  return request
}

/**
 * One of your requests with its whole content, all of which must be shown before an answer. `position`: from 1, among the
 * pending requests of its turn; null if it is not pending.
 */
export const get = operatorQuery({
  args: { requestId: v.id("requests") },
  handler: async (ctx, { requestId }) => {
    const request = await ownedRequest(ctx, requestId)
    const pendingOnes = (await openOf(ctx, request.turnId)).filter(({ status }) => status === "pending")
    const index = pendingOnes.findIndex(({ _id }) => _id === requestId)
    const position = index === -1 ? null : { index: index + 1, count: pendingOnes.length }
    return { ...toRequestSummary(request), position, content: await readContent(ctx, requestId) }
  }
})

/**
 * Answers a request. `hash`: of the request as it was shown; another one fails with `Conflict`. The first answer is final;
 * the same answer again has no effect. Fails with `Expired` or `Conflict`.
 */
export const answer = approverMutation({
  args: { requestId: v.id("requests"), hash: v.string(), answer: requestAnswer },
  handler: async (ctx, args) => {
    checkText("hash", args.hash, MAX_NAME)
    const request = await ownedRequest(ctx, args.requestId)
    if (args.hash !== request.hash) {
      throw appError("Conflict", "This request differs from the one that was shown: read it again")
    }
    if (request.answer !== undefined && sameAnswer(request.answer, args.answer)) return null
    await checkAnswer(ctx, request, args.answer)
    const isLate = request.expiresAt !== null && request.expiresAt <= Date.now()
    if (request.status === "expired" || (request.status === "pending" && isLate)) {
      throw appError("Expired", "This request has expired: the agent continued without an answer")
    }
    if (request.status !== "pending") {
      throw appError("Conflict", `This request is ${request.status} already`)
    }
    await ctx.db.patch(request._id, { status: "answered", answer: args.answer, answeredBy: ctx.operator })
    await removeItem(ctx, request._id)
    if (request.kind === "permission") {
      const scope = reachOf(args.answer.type) === undefined ? "" : ` ${request.always?.label ?? ""}`
      const detail = `${args.answer.type}${scope}: ${request.subject}`
      await auditOperator(ctx, { action: "answer", workerId: request.workerId, detail })
    }
    await allowLater(ctx, request, args.answer)
    return null
  }
})

/** Expires a request whose worker has died before the time limit. */
export const expire = internalMutation({
  args: { requestId: v.id("requests") },
  handler: async (ctx, { requestId }): Promise<null> => {
    const request = await ctx.db.get(requestId)
    if (request?.status !== "pending" || request.expiresAt === null) return null
    // A later process of the worker may have extended it.
    if (request.expiresAt + REQUEST_GRACE > Date.now()) return null
    await closeAs(ctx, requestId, "expired")
    return null
  }
})

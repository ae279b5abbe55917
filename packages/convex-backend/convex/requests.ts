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
 * - No request outlives its turn, and none is pending longer than its time limit and a minute, even if its worker died.
 * - A request is stored with its whole content. A worker rejects requests that do not fit, so that operators never answer a
 *   truncated request.
 * - The content of a request never changes, so its id identifies the content that the operator saw.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { auditOperator } from "./audit.ts"
import { assignedTurn, ownedSession } from "./authorize.ts"
import { approverMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import {
  clamp,
  checkCount,
  checkText,
  MAX_ASKED_BY,
  MAX_NAME,
  MAX_OPEN_REQUESTS,
  MAX_PAGE,
  MAX_PATH,
  MAX_REQUEST_TIME,
  MAX_SMALL_PAGE,
  REQUEST_GRACE
} from "./limits.ts"
import {
  checkAnswers,
  checkAnswerType,
  encodeContent,
  insertContent,
  readContent,
  type RequestAnswer
} from "./requestContents.ts"
import { requestAlways, requestAnswer, requestAskedBy, requestContent } from "./validators.ts"

/** Cancels the open requests of a turn, in the transaction that ends it. */
export const closeRequests = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  const open = await ctx.db
    .query("requests")
    .withIndex("by_turn_open", (q) => q.eq("turnId", turnId).eq("open", true))
    .take(MAX_OPEN_REQUESTS)
  for (const { _id } of open) await ctx.db.patch(_id, { status: "cancelled", open: false })
}

/**
 * Opens a request for `timeLimit` milliseconds (1 second to 24 hours), and returns its id. Idempotent by `opencodeId`.
 * `content`: as JSON at most 1,000,000 characters. Fails with `Conflict` if the turn is not running in this epoch.
 */
export const open = workerMutation({
  args: {
    turnId: v.id("turns"),
    opencodeId: v.string(),
    subject: v.string(),
    askedBy: requestAskedBy,
    directory: v.string(),
    always: requestAlways,
    content: requestContent,
    timeLimit: v.number()
  },
  handler: async (ctx, { turnId, opencodeId, subject, askedBy, directory, always, content, timeLimit }) => {
    checkText("opencodeId", opencodeId, MAX_NAME)
    checkText("subject", subject, MAX_NAME)
    checkText("directory", directory, MAX_PATH)
    checkCount("askedBy", askedBy.length, MAX_ASKED_BY)
    for (const { agent, task } of askedBy) {
      checkText("askedBy.agent", agent, MAX_NAME)
      if (task !== null) checkText("askedBy.task", task, MAX_NAME, 0)
    }
    if (always !== null) {
      checkText("always.label", always.label, MAX_PATH)
      if (content.kind === "question")
        throw appError("InvalidArgument", "always is for permissions; it must be null for a question")
    }
    const json = encodeContent(content)
    if (!(timeLimit >= 1_000 && timeLimit <= MAX_REQUEST_TIME)) {
      throw appError("InvalidArgument", `timeLimit is ${timeLimit}; it takes 1000 to ${MAX_REQUEST_TIME} milliseconds`)
    }
    const { _id: workerId, epoch } = ctx.worker
    const turn = await assignedTurn(ctx, turnId)
    const existing = await ctx.db
      .query("requests")
      .withIndex("by_worker_opencode", (q) => q.eq("workerId", workerId).eq("opencodeId", opencodeId))
      .first()
    if (existing !== null) return existing._id
    if (turn.finished || turn.epoch !== epoch) {
      throw appError("Conflict", `Cannot open a request: the turn is ${turn.status} (epoch ${turn.epoch ?? "none"})`)
    }
    const others = await ctx.db
      .query("requests")
      .withIndex("by_turn_open", (q) => q.eq("turnId", turnId).eq("open", true))
      .take(MAX_OPEN_REQUESTS)
    checkCount("The turn's open requests", others.length + 1, MAX_OPEN_REQUESTS)
    const expiresAt = Date.now() + timeLimit
    const requestId = await ctx.db.insert("requests", {
      ownerId: turn.ownerId,
      workerId,
      sessionId: turn.sessionId,
      turnId,
      opencodeId,
      kind: content.kind,
      permission: content.kind === "permission" ? content.permission : null,
      subject,
      askedBy,
      directory,
      always,
      size: json.length,
      status: "pending",
      open: true,
      expiresAt
    })
    await insertContent(ctx, requestId, json)
    await ctx.scheduler.runAt(expiresAt + REQUEST_GRACE, internal.requests.expire, { requestId })
    return requestId
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
    await ctx.db.patch(requestId, { status: as, open: false })
    return null
  }
})

/**
 * Records that an `always` answer of this session was applied to a later request, `subject`, in the turn. Writes one audit
 * row per turn and answer; the parts of the turn have every call.
 */
export const applied = workerMutation({
  args: { requestId: v.id("requests"), turnId: v.id("turns"), subject: v.string() },
  handler: async (ctx, { requestId, turnId, subject }) => {
    checkText("subject", subject, MAX_NAME)
    const turn = await assignedTurn(ctx, turnId)
    const request = await ctx.db.get(requestId)
    if (request?.workerId !== ctx.worker._id) throw appError("NotFound", "This worker has no such request")
    if (request.answer?.type !== "always" || request.sessionId !== turn.sessionId) {
      throw appError("Conflict", "This request has no answer for later requests of the turn's session")
    }
    if (request.appliedIn === turnId) return null
    await ctx.db.patch(requestId, { appliedIn: turnId })
    await ctx.db.insert("audit", {
      actorId: request.answeredBy ?? request.ownerId,
      action: "apply",
      workerId: request.workerId,
      detail: `always ${request.always?.label ?? ""}, in turn ${turnId}, first to: ${subject}`
    })
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
  status: request.status,
  answer: request.answer ?? null,
  createdAt: request._creationTime,
  expiresAt: request.expiresAt
})

/** Your pending requests, of one session or of all, the oldest 100 first, without content: see `get`. */
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

/** One of your requests with its whole content, all of which must be shown before an answer. */
export const get = operatorQuery({
  args: { requestId: v.id("requests") },
  handler: async (ctx, { requestId }) => {
    const request = await ownedRequest(ctx, requestId)
    return { ...toRequestSummary(request), content: await readContent(ctx, requestId) }
  }
})

/** Compares as JSON: the fields of answers are in the order of the validator. */
const same = (one: RequestAnswer, other: RequestAnswer): boolean => JSON.stringify(one) === JSON.stringify(other)

const checkAnswer = async (ctx: QueryCtx, request: Doc<"requests">, given: RequestAnswer): Promise<void> => {
  checkAnswerType(request.kind, given)
  if (given.type === "always" && request.always === null) {
    throw appError(
      "InvalidArgument",
      "This request can only be allowed once: later requests like it cannot be described"
    )
  }
  if (given.type !== "answers") return
  const content = await readContent(ctx, request._id)
  if (content.kind === "question") checkAnswers(content.questions, given.answers)
}

/** Answers a request. The first answer is final; the same answer again has no effect. Fails with `Expired` or `Conflict`. */
export const answer = approverMutation({
  args: { requestId: v.id("requests"), answer: requestAnswer },
  handler: async (ctx, args) => {
    const request = await ownedRequest(ctx, args.requestId)
    if (request.answer !== undefined && same(request.answer, args.answer)) return null
    await checkAnswer(ctx, request, args.answer)
    if (request.status === "expired" || (request.status === "pending" && request.expiresAt <= Date.now())) {
      throw appError("Expired", "This request has expired: the agent continued without an answer")
    }
    if (request.status !== "pending") {
      throw appError("Conflict", `This request is ${request.status} already`)
    }
    await ctx.db.patch(request._id, { status: "answered", answer: args.answer, answeredBy: ctx.operator })
    if (request.kind === "permission") {
      const scope = args.answer.type === "always" ? ` ${request.always?.label ?? ""}` : ""
      const detail = `${args.answer.type}${scope}: ${request.subject}`
      await auditOperator(ctx, { action: "answer", workerId: request.workerId, detail })
    }
    return null
  }
})

/** Expires a request whose worker has died before the time limit. */
export const expire = internalMutation({
  args: { requestId: v.id("requests") },
  handler: async (ctx, { requestId }): Promise<null> => {
    const request = await ctx.db.get(requestId)
    if (request?.status === "pending") await ctx.db.patch(requestId, { status: "expired", open: false })
    return null
  }
})

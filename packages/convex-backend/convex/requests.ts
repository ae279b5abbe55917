/**
 * What OpenCode asks a person, for a permission or with a question, and what the person says.
 *
 * ```
 *   open ──▶ pending ──answer──▶ answered ──close("answered")──▶ OpenCode has the answer
 *               │                   └── turn over first ──▶ cancelled
 *               ├── its time is over ──▶ expired
 *               └── turn over, or answered at OpenCode's own terminal ──▶ cancelled
 * ```
 *
 * No request outlives its turn, and none is pending longer than its time and a minute, even if its worker died.
 *
 * @since 0.1.0
 */
import { type Infer, v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx } from "./_generated/server.ts"
import { assignedTurn } from "./assigned.ts"
import { operatorMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { refusal } from "./errors.ts"
import {
  bounded,
  checkCount,
  checkText,
  MAX_ANSWER,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_OPEN_REQUESTS,
  MAX_PAGE,
  MAX_REQUEST,
  MAX_REQUEST_TIME,
  MAX_SMALL_PAGE,
  REQUEST_GRACE
} from "./limits.ts"
import { ownedSession } from "./owned.ts"
import { requestAnswer } from "./tables.ts"

type Answer = Infer<typeof requestAnswer>

/** Cancels what a turn still has open. Part of the transaction that ends the turn. */
export const closeRequests = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  const open = await ctx.db
    .query("requests")
    .withIndex("by_turn_open", (q) => q.eq("turnId", turnId).eq("open", true))
    .take(MAX_OPEN_REQUESTS)
  for (const { _id } of open) await ctx.db.patch(_id, { status: "cancelled", open: false })
}

/**
 * Shows a request to the operator for `timeLimit` milliseconds (1 second to 24 hours). The same `opencodeId` gives the
 * same request, in whatever state it is.
 */
export const open = workerMutation({
  args: {
    turnId: v.id("turns"),
    opencodeId: v.string(),
    kind: v.union(v.literal("permission"), v.literal("question")),
    subject: v.string(),
    payload: v.string(),
    timeLimit: v.number()
  },
  handler: async (ctx, { turnId, opencodeId, kind, subject, payload, timeLimit }) => {
    checkText("opencodeId", opencodeId, MAX_NAME)
    checkText("subject", subject, MAX_NAME)
    checkText("payload", payload, MAX_REQUEST)
    if (!(timeLimit >= 1_000 && timeLimit <= MAX_REQUEST_TIME)) {
      throw refusal("InvalidArgument", `timeLimit is ${timeLimit}; it takes 1000 to ${MAX_REQUEST_TIME} milliseconds`)
    }
    const { _id: workerId, epoch } = ctx.worker
    const turn = await assignedTurn(ctx, turnId)
    const existing = await ctx.db
      .query("requests")
      .withIndex("by_worker_opencode", (q) => q.eq("workerId", workerId).eq("opencodeId", opencodeId))
      .first()
    if (existing !== null) return existing._id
    if (turn.finished || turn.epoch !== epoch) {
      throw refusal("Conflict", `A turn that is ${turn.status} in epoch ${turn.epoch ?? "none"} asks nothing`)
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
      kind,
      subject,
      payload,
      status: "pending",
      open: true,
      expiresAt
    })
    await ctx.scheduler.runAt(expiresAt + REQUEST_GRACE, internal.requests.expire, { requestId })
    return requestId
  }
})

/** Answers to pass on to OpenCode, the oldest first, at most `limit` (up to 20). Closing one moves the window on. */
export const answers = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const rows = await ctx.db
      .query("requests")
      .withIndex("by_worker_open", (q) => q.eq("workerId", ctx.worker._id).eq("open", true).eq("status", "answered"))
      .take(bounded(limit, MAX_PAGE))
    return rows.flatMap(({ _id, turnId, opencodeId, kind, answer }) =>
      answer === undefined ? [] : [{ requestId: _id, turnId, opencodeId, kind, answer }]
    )
  }
})

/**
 * The worker has done with a request. `answered`: OpenCode has the answer. `expired`, `cancelled`: it will get none from
 * here, also not one that was given in the meantime. A closed request stays as it is.
 */
export const close = workerMutation({
  args: {
    requestId: v.id("requests"),
    as: v.union(v.literal("answered"), v.literal("expired"), v.literal("cancelled"))
  },
  handler: async (ctx, { requestId, as }) => {
    const request = await ctx.db.get(requestId)
    if (request?.workerId !== ctx.worker._id) throw refusal("NotFound", "This worker has no such request")
    if (!request.open) return null
    if (as === "answered" && request.status !== "answered") {
      throw refusal("Conflict", "A request that nobody answered cannot be closed as answered")
    }
    await ctx.db.patch(requestId, { status: as, open: false })
    return null
  }
})

const view = (request: Doc<"requests">) => ({
  requestId: request._id,
  sessionId: request.sessionId,
  turnId: request.turnId,
  kind: request.kind,
  subject: request.subject,
  payload: request.payload,
  status: request.status,
  answer: request.answer ?? null,
  createdAt: request._creationTime,
  expiresAt: request.expiresAt
})

/** The requests that wait for you, of one session or of all, the oldest 100 first. */
export const pending = operatorQuery({
  args: { sessionId: v.optional(v.id("sessions")) },
  handler: async (ctx, { sessionId }) => {
    if (sessionId !== undefined) await ownedSession(ctx, sessionId)
    const requests = ctx.db.query("requests")
    const range =
      sessionId === undefined
        ? requests.withIndex("by_owner_status", (q) => q.eq("ownerId", ctx.operator).eq("status", "pending"))
        : requests.withIndex("by_session_status", (q) => q.eq("sessionId", sessionId).eq("status", "pending"))
    return (await range.take(MAX_SMALL_PAGE)).map(view)
  }
})

const ownedRequest = async (ctx: MutationCtx & { readonly operator: string }, requestId: Id<"requests">) => {
  const request = await ctx.db.get(requestId)
  if (request?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such request")
  return request
}

const checkAnswer = (kind: "permission" | "question", answer: Answer): void => {
  const answered = answer.type === "answers" || answer.type === "dismiss" ? "question" : "permission"
  if (answered !== kind) throw refusal("InvalidArgument", `answer is of type ${answer.type}, which answers no ${kind}`)
  if (answer.type === "reject" && answer.message !== undefined) checkText("answer.message", answer.message, MAX_MESSAGE)
  checkText("answer", JSON.stringify(answer), MAX_ANSWER)
}

/** Answers are small and plain, and their fields come in the order of the validator. */
const same = (one: Answer, other: Answer): boolean => JSON.stringify(one) === JSON.stringify(other)

/** Answers a request of yours. The first answer stands; saying the same again changes nothing. */
export const answer = operatorMutation({
  args: { requestId: v.id("requests"), answer: requestAnswer },
  handler: async (ctx, args) => {
    const request = await ownedRequest(ctx, args.requestId)
    checkAnswer(request.kind, args.answer)
    if (request.answer !== undefined && same(request.answer, args.answer)) return null
    if (request.status === "expired" || (request.status === "pending" && request.expiresAt <= Date.now())) {
      throw refusal("Expired", "The time to answer this is over: the agent went on without")
    }
    if (request.status !== "pending") {
      throw refusal("Conflict", `This request is ${request.status} already`)
    }
    await ctx.db.patch(request._id, { status: "answered", answer: args.answer, answeredBy: ctx.operator })
    if (request.kind === "permission") {
      const detail = `${args.answer.type}: ${request.subject}`
      await ctx.db.insert("audit", { actorId: ctx.operator, action: "answer", workerId: request.workerId, detail })
    }
    return null
  }
})

/** For a request whose worker died before its time was over. */
export const expire = internalMutation({
  args: { requestId: v.id("requests") },
  handler: async (ctx, { requestId }): Promise<null> => {
    const request = await ctx.db.get(requestId)
    if (request?.status === "pending") await ctx.db.patch(requestId, { status: "expired", open: false })
    return null
  }
})

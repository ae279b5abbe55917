/**
 * Permissions and questions of an agent that wait for a person, and the answers.
 *
 * ```
 *   open ──▶ pending ──answer──▶ answered ──close("answered")──▶ the agent has the answer
 *               │                   └── turn over first ──▶ cancelled
 *               ├── its time is over ──▶ expired
 *               └── turn over, or answered at OpenCode's own terminal ──▶ cancelled
 * ```
 *
 * Invariants
 * - No request outlives its turn, and none is pending longer than its time and a minute, even if its worker died.
 * - A stored request has its whole content. A worker refuses to ask for more than fits, so that no answer is given to a
 *   part of a request.
 * - The content of a request never changes, so its id names what the person saw.
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { assignedTurn } from "./assigned.ts"
import { operatorMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { refusal } from "./errors.ts"
import {
  bounded,
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
import { ownedSession } from "./owned.ts"
import {
  checkAnswers,
  checkAnswerType,
  encodeContent,
  insertContent,
  readContent,
  type RequestAnswer
} from "./requestContents.ts"
import { requestAlways, requestAnswer, requestAskedBy, requestContent } from "./tables.ts"

/** Cancels what a turn still has open. Part of the transaction that ends the turn. */
export const closeRequests = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  const open = await ctx.db
    .query("requests")
    .withIndex("by_turn_open", (q) => q.eq("turnId", turnId).eq("open", true))
    .take(MAX_OPEN_REQUESTS)
  for (const { _id } of open) await ctx.db.patch(_id, { status: "cancelled", open: false })
}

/**
 * Shows a request to the operator for `timeLimit` milliseconds (1 second to 24 hours). The same `opencodeId` returns the
 * same request, in any state. `content` is stored whole, as JSON of at most 1,000,000 characters.
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
        throw refusal("InvalidArgument", "always is for permissions; a question takes null")
    }
    const json = encodeContent(content)
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
      throw refusal("Conflict", `Cannot open a request: the turn is ${turn.status} (epoch ${turn.epoch ?? "none"})`)
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

/** Answers to forward to the agent, the oldest first, at most `limit` (up to 20). Closing one moves the window on. */
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
 * The worker is done with a request. `answered`: the agent has the answer. `expired`, `cancelled`: the agent gets no answer
 * from here, even if one was given in the meantime. A closed request does not change.
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
      throw refusal("Conflict", "This request has no answer, so it cannot be closed as answered")
    }
    await ctx.db.patch(requestId, { status: as, open: false })
    return null
  }
})

/**
 * An `always` answer of this conversation was applied to a later request, `subject`, in the turn. Leaves one audit row for
 * each turn and answer; the turn's parts have every call.
 */
export const applied = workerMutation({
  args: { requestId: v.id("requests"), turnId: v.id("turns"), subject: v.string() },
  handler: async (ctx, { requestId, turnId, subject }) => {
    checkText("subject", subject, MAX_NAME)
    const turn = await assignedTurn(ctx, turnId)
    const request = await ctx.db.get(requestId)
    if (request?.workerId !== ctx.worker._id) throw refusal("NotFound", "This worker has no such request")
    if (request.answer?.type !== "always" || request.sessionId !== turn.sessionId) {
      throw refusal("Conflict", "This request has no answer for later requests of the turn's session")
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

const view = (request: Doc<"requests">) => ({
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

/** The requests that wait for you, of one session or of all, the oldest 100 first, without their content: see `get`. */
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

const ownedRequest = async (ctx: QueryCtx & { readonly operator: string }, requestId: Id<"requests">) => {
  const request = await ctx.db.get(requestId)
  if (request?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such request")
  return request
}

/** One of your requests with its whole content: show all of it before you answer. */
export const get = operatorQuery({
  args: { requestId: v.id("requests") },
  handler: async (ctx, { requestId }) => {
    const request = await ownedRequest(ctx, requestId)
    return { ...view(request), content: await readContent(ctx, requestId) }
  }
})

/** Answers are small and plain, and their fields come in the order of the validator. */
const same = (one: RequestAnswer, other: RequestAnswer): boolean => JSON.stringify(one) === JSON.stringify(other)

const checkAnswer = async (ctx: QueryCtx, request: Doc<"requests">, given: RequestAnswer): Promise<void> => {
  checkAnswerType(request.kind, given)
  if (given.type === "always" && request.always === null) {
    throw refusal(
      "InvalidArgument",
      "This request can only be allowed once: later requests like it cannot be described"
    )
  }
  if (given.type !== "answers") return
  const content = await readContent(ctx, request._id)
  if (content.kind === "question") checkAnswers(content.questions, given.answers)
}

/** Answers a request of yours. The first answer stands; sending the same answer again changes nothing. */
export const answer = operatorMutation({
  args: { requestId: v.id("requests"), answer: requestAnswer },
  handler: async (ctx, args) => {
    const request = await ownedRequest(ctx, args.requestId)
    if (request.answer !== undefined && same(request.answer, args.answer)) return null
    await checkAnswer(ctx, request, args.answer)
    if (request.status === "expired" || (request.status === "pending" && request.expiresAt <= Date.now())) {
      throw refusal("Expired", "The time to answer this request is over: the agent went on without an answer")
    }
    if (request.status !== "pending") {
      throw refusal("Conflict", `This request is ${request.status} already`)
    }
    await ctx.db.patch(request._id, { status: "answered", answer: args.answer, answeredBy: ctx.operator })
    if (request.kind === "permission") {
      const scope = args.answer.type === "always" ? ` ${request.always?.label ?? ""}` : ""
      const detail = `${args.answer.type}${scope}: ${request.subject}`
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

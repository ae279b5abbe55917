/**
 * The answers that a request accepts, and the requests that an answer covers.
 */
import type { Infer } from "convex/values"
import type { Doc } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { approve, recordUse } from "./approvals.ts"
import { appError } from "./errors.ts"
import { checkText, MAX_ANSWER, MAX_MESSAGE, MAX_OPEN_REQUESTS } from "./limits.ts"
import { removeItem } from "./inboxItems.ts"
import { readContent } from "./requestContents.ts"
import type { requestAnswer, requestQuestion } from "./validators.ts"

export type RequestAnswer = Infer<typeof requestAnswer>
type Question = Infer<typeof requestQuestion>

/** Where an answer also allows later requests. Undefined: nowhere. */
export const reachOf = (type: RequestAnswer["type"]): "turn" | "session" | "always" | undefined =>
  type === "turn" || type === "session" || type === "always" ? type : undefined

/** Compares as JSON: the fields of answers are in the order of the validator. */
export const sameAnswer = (one: RequestAnswer, other: RequestAnswer): boolean =>
  JSON.stringify(one) === JSON.stringify(other)

const checkQuestion = (
  position: string,
  { custom, multiple, options }: Question,
  chosen: ReadonlyArray<string>
): void => {
  const labels = options.map(({ label }) => label)
  if (chosen.length === 0 || chosen.some((text) => text.trim() === "")) {
    throw appError("InvalidArgument", `${position} is empty: choose an option, or dismiss the request`)
  }
  if (new Set(chosen).size < chosen.length) throw appError("InvalidArgument", `${position} has the same option twice`)
  if (chosen.length > 1 && !multiple) {
    throw appError("InvalidArgument", `${position} has ${chosen.length} options; the question takes one`)
  }
  if (custom || labels.length === 0) return
  for (const text of chosen) {
    if (!labels.includes(text)) {
      const known = labels.map((label) => JSON.stringify(label)).join(", ")
      throw appError("InvalidArgument", `${position} has ${JSON.stringify(text)}; the options are ${known}`)
    }
  }
}

/** Rejects an answer that the questions do not allow. */
const checkAnswers = (questions: ReadonlyArray<Question>, answers: ReadonlyArray<ReadonlyArray<string>>): void => {
  if (answers.length !== questions.length) {
    throw appError(
      "InvalidArgument",
      `answer.answers has ${answers.length} entries; there are ${questions.length} questions`
    )
  }
  for (const [index, question] of questions.entries()) {
    checkQuestion(`answer.answers[${index}]`, question, answers[index] ?? [])
  }
}

/** Rejects an answer of the wrong type, or that is too long. */
const checkAnswerType = (kind: "permission" | "question", answer: RequestAnswer): void => {
  const answered = answer.type === "answers" || answer.type === "dismiss" ? "question" : "permission"
  if (answered !== kind) {
    throw appError("InvalidArgument", `answer is of type ${answer.type}, which does not answer a ${kind}`)
  }
  if (answer.type === "reject" && answer.message !== undefined) checkText("answer.message", answer.message, MAX_MESSAGE)
  checkText("answer", JSON.stringify(answer), MAX_ANSWER)
}

/** Rejects an answer that the request does not accept. */
export const checkAnswer = async (ctx: QueryCtx, request: Doc<"requests">, given: RequestAnswer): Promise<void> => {
  checkAnswerType(request.kind, given)
  if (reachOf(given.type) !== undefined && request.scope === undefined) {
    throw appError(
      "InvalidArgument",
      "This request can only be allowed once: later requests like it cannot be described"
    )
  }
  if (given.type !== "answers") return
  const content = await readContent(ctx, request._id)
  if (content.kind === "question") checkAnswers(content.questions, given.answers)
}

/** Stores the approval of an answer for later requests, and answers the other pending requests that it covers. */
export const allowLater = async (
  ctx: MutationCtx & { readonly operator: string },
  request: Doc<"requests">,
  { type }: RequestAnswer
): Promise<void> => {
  const reach = reachOf(type)
  const { scope, sessionId, turnId, workerId } = request
  if (reach === undefined || scope === undefined) return
  const approval = await approve(ctx, { ...request, scope }, reach, ctx.operator)
  const pendingOnes = await ctx.db
    .query("requests")
    .withIndex("by_worker_open", (q) => q.eq("workerId", workerId).eq("open", true).eq("status", "pending"))
    .take(MAX_OPEN_REQUESTS)
  for (const other of pendingOnes) {
    const isIn = reach === "always" || (reach === "turn" ? other.turnId === turnId : other.sessionId === sessionId)
    if (other._id === request._id || other.scope !== scope || !isIn) continue
    await ctx.db.patch(other._id, { status: "answered", answer: { type: "once" }, answeredBy: ctx.operator })
    await removeItem(ctx, other._id)
    await recordUse(ctx, approval, other)
  }
}

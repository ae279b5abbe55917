/**
 * The content of a request: its limits, its storage in chunks, and the answers that it accepts.
 */
import type { Infer } from "convex/values"
import type { Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import {
  checkCount,
  checkText,
  MAX_ANSWER,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_REQUEST,
  MAX_REQUEST_ENTRIES,
  MAX_REQUEST_ROW,
  MAX_REQUEST_ROWS
} from "./limits.ts"
import { splitText } from "./payloads.ts"
import type { requestAnswer, requestContent, requestQuestion } from "./validators.ts"

export type RequestAnswer = Infer<typeof requestAnswer>
export type RequestContent = Infer<typeof requestContent>
type Question = Infer<typeof requestQuestion>

/** Returns the content as JSON text. Rejects content that is too large, or that has no possible answer. */
export const encodeContent = (content: RequestContent): string => {
  if (content.kind === "permission") {
    checkText("content.permission", content.permission, MAX_NAME)
    checkCount("content.sections", content.sections.length, MAX_REQUEST_ENTRIES)
    for (const { name } of content.sections) checkText("content.sections.name", name, MAX_NAME)
  } else {
    checkCount("content.questions", content.questions.length, MAX_REQUEST_ENTRIES)
    if (content.questions.length === 0) throw appError("InvalidArgument", "content.questions is empty")
    for (const { options } of content.questions) {
      checkCount("content.questions.options", options.length, MAX_REQUEST_ENTRIES)
    }
  }
  const json = JSON.stringify(content)
  checkText("content as JSON", json, MAX_REQUEST)
  return json
}

export const insertContent = async (ctx: MutationCtx, requestId: Id<"requests">, json: string): Promise<void> => {
  for (const [chunk, text] of splitText(json, MAX_REQUEST_ROW).entries()) {
    await ctx.db.insert("requestContents", { requestId, chunk, text })
  }
}

export const readContent = async (ctx: QueryCtx, requestId: Id<"requests">): Promise<RequestContent> => {
  const rows = await ctx.db
    .query("requestContents")
    .withIndex("by_request", (q) => q.eq("requestId", requestId))
    .take(MAX_REQUEST_ROWS)
  return JSON.parse(rows.map(({ text }) => text).join(""))
}

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
export const checkAnswers = (
  questions: ReadonlyArray<Question>,
  answers: ReadonlyArray<ReadonlyArray<string>>
): void => {
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
export const checkAnswerType = (kind: "permission" | "question", answer: RequestAnswer): void => {
  const answered = answer.type === "answers" || answer.type === "dismiss" ? "question" : "permission"
  if (answered !== kind) {
    throw appError("InvalidArgument", `answer is of type ${answer.type}, which does not answer a ${kind}`)
  }
  if (answer.type === "reject" && answer.message !== undefined) checkText("answer.message", answer.message, MAX_MESSAGE)
  checkText("answer", JSON.stringify(answer), MAX_ANSWER)
}

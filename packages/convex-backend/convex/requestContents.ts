/**
 * Everything that is shown of a request: its limits, its hash, and its storage in chunks.
 */
import type { Infer } from "convex/values"
import type { Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import {
  checkCount,
  checkText,
  checkTimeLimit,
  MAX_ASKED_BY,
  MAX_NAME,
  MAX_PATH,
  MAX_REQUEST,
  MAX_REQUEST_ENTRIES,
  MAX_REQUEST_ROW,
  MAX_REQUEST_ROWS
} from "./limits.ts"
import { splitText } from "./payloads.ts"
import { hashSecret as sha256 } from "./secrets.ts"
import type { requestAlways, requestAskedBy, requestContent } from "./validators.ts"

type RequestContent = Infer<typeof requestContent>

interface Shown {
  readonly subject: string
  readonly askedBy: Infer<typeof requestAskedBy>
  readonly directory: string
}

/** Rejects a card whose lines are too long. */
export const checkCard = ({
  subject,
  askedBy,
  directory,
  always,
  content
}: Shown & {
  readonly always: { readonly scope: string; readonly label: string } | null
  readonly content: RequestContent
}): void => {
  checkText("subject", subject, MAX_NAME)
  checkText("directory", directory, MAX_PATH)
  checkCount("askedBy", askedBy.length, MAX_ASKED_BY)
  for (const { agent, task } of askedBy) {
    checkText("askedBy.agent", agent, MAX_NAME)
    if (task !== null) checkText("askedBy.task", task, MAX_NAME, 0)
  }
  if (always === null) return
  checkText("always.label", always.label, MAX_PATH)
  checkText("always.scope", always.scope, MAX_NAME)
  if (content.kind === "question")
    throw appError("InvalidArgument", "always is for permissions; it must be null for a question")
}

/** The time at which a request expires, in milliseconds of the server's clock, or null. */
export const expiryOf = (timeLimit: number | null): number | null => {
  checkTimeLimit("timeLimit", timeLimit)
  return timeLimit === null ? null : Date.now() + timeLimit
}

/** SHA-256 of everything that is shown of a request, hexadecimal. `content`: as JSON. */
export const hashCard = ({
  subject,
  askedBy,
  directory,
  always,
  content
}: Shown & { readonly always: Infer<typeof requestAlways>; readonly content: string }): Promise<string> => {
  const agents = askedBy.map(({ agent, task }) => [agent, task])
  return sha256(JSON.stringify([subject, agents, directory, always?.label ?? null, content]))
}

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

/** Deletes a request with its content. */
export const deleteRequest = async (ctx: MutationCtx, requestId: Id<"requests">): Promise<void> => {
  const rows = await ctx.db
    .query("requestContents")
    .withIndex("by_request", (q) => q.eq("requestId", requestId))
    .take(MAX_REQUEST_ROWS)
  for (const { _id } of rows) await ctx.db.delete(_id)
  await ctx.db.delete(requestId)
}

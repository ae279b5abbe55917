/**
 * Turns of OpenCode's own history, which were not created by `turns.send`.
 *
 * ```
 *   OpenCode     A ─ B ─ C ─ D          sent from the newest to the oldest, in any number of calls:
 *   here             B       D  ─ E     C is placed before D, A before B; E is not in OpenCode yet
 * ```
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { fileReference, keepAgentFiles } from "./attachments.ts"
import { assignedSession } from "./authorize.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import {
  checkAnsweredBy,
  checkCount,
  checkText,
  MAX_HISTORY,
  MAX_HISTORY_PARTS,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_PARTS,
  MAX_PARTS_TOTAL,
  MAX_PROMPT
} from "./limits.ts"
import { contentOf, insertContent } from "./parts.ts"
import { insertTurn } from "./prompts.ts"
import { recordUsage } from "./usage.ts"
import { turnAnsweredBy, turnError, turnOutcome, turnUsage } from "./validators.ts"

/** A finished turn in OpenCode. Times are milliseconds of the worker's clock. */
const historyTurn = v.object({
  /** OpenCode's id of the prompt. */
  messageId: v.string(),
  /** OpenCode's id of the next prompt. */
  newerId: v.optional(v.string()),
  text: v.string(),
  model: v.optional(v.string()),
  agent: v.optional(v.string()),
  answeredBy: v.optional(turnAnsweredBy),
  askedAt: v.number(),
  finishedAt: v.number(),
  outcome: turnOutcome,
  error: v.optional(turnError),
  usage: v.optional(turnUsage),
  /** Files in the parts that were uploaded to the storage. */
  files: v.optional(v.array(fileReference)),
  parts: v.array(v.object({ index: v.number(), kind: v.string(), payload: v.string() }))
})
type HistoryTurn = Infer<typeof historyTurn>

const byMessage = async (ctx: QueryCtx, sessionId: Id<"sessions">, messageId: string | undefined) =>
  messageId === undefined
    ? null
    : ctx.db
        .query("turns")
        .withIndex("by_session_message", (q) => q.eq("sessionId", sessionId).eq("messageId", messageId))
        .first()

/**
 * OpenCode's prompt id of the first unfinished turn, or null if it is not claimed. The worker compares it with OpenCode's
 * record, to order other turns before or after it.
 */
export const currentPrompt = workerQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    await assignedSession(ctx, sessionId)
    const head = await ctx.db
      .query("turns")
      .withIndex("by_session_finished", (q) => q.eq("sessionId", sessionId).eq("finished", false))
      .first()
    return head?.messageId ?? null
  }
})

/** The distance of inserted turns: a million fit between two whole numbers, each before the previously inserted one. */
const step = 2 ** -20

/** A `seq` directly before `turn`. */
const before = async (ctx: QueryCtx, { sessionId, seq }: Doc<"turns">): Promise<number> => {
  const previous = await ctx.db
    .query("turns")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId).lt("seq", seq))
    .order("desc")
    .first()
  return previous === null ? seq - 1 : Math.max((previous.seq + seq) / 2, seq - step)
}

/** A `seq` directly after `turn`; without one, before the first unfinished turn, which is not in OpenCode yet. */
const after = async (ctx: QueryCtx, sessionId: Id<"sessions">, turn: Doc<"turns"> | null): Promise<number> => {
  const turns = ctx.db.query("turns")
  const following =
    turn === null
      ? await turns.withIndex("by_session_finished", (q) => q.eq("sessionId", sessionId).eq("finished", false)).first()
      : await turns.withIndex("by_session", (q) => q.eq("sessionId", sessionId).gt("seq", turn.seq)).first()
  if (following !== null) return before(ctx, following)
  const last = await turns
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .order("desc")
    .first()
  return last === null ? 0 : Math.floor(last.seq) + 1
}

const check = ({ agent, answeredBy, error, messageId, model, newerId, text }: HistoryTurn): void => {
  checkAnsweredBy(answeredBy)
  for (const [field, name] of Object.entries({ messageId, newerId, model, agent })) {
    if (name !== undefined) checkText(field, name, MAX_NAME)
  }
  checkText("text", text, MAX_PROMPT, 0)
  if (error === undefined) return
  checkText("error.name", error.name, MAX_NAME)
  checkText("error.message", error.message, MAX_MESSAGE, 0)
}

const insert = async (
  ctx: MutationCtx & { readonly worker: Doc<"workers"> },
  { _id: sessionId, opencodeSessionId, ownerId }: Doc<"sessions">,
  { askedAt, files, finishedAt, newerId, outcome, parts, ...said }: HistoryTurn,
  runningId: string | undefined
): Promise<void> => {
  const now = Date.now()
  const newer = await byMessage(ctx, sessionId, newerId)
  const content = contentOf(parts)
  const turnId = await insertTurn(ctx, {
    ...said,
    sessionId,
    workerId: ctx.worker._id,
    ownerId,
    seq:
      newer === null
        ? await after(ctx, sessionId, await byMessage(ctx, sessionId, runningId))
        : await before(ctx, newer),
    status: outcome,
    ready: false,
    finished: true,
    parts: content.outline.length,
    epoch: ctx.worker.epoch,
    ...(opencodeSessionId !== undefined && { opencodeSessionId }),
    askedAt: Math.min(askedAt, now),
    finishedAt: Math.min(finishedAt, now)
  })
  await insertContent(ctx, turnId, content)
  await recordUsage(ctx, { ...said, sessionId, workerId: ctx.worker._id, ownerId }, Math.min(finishedAt, now))
  await keepAgentFiles(ctx, { _id: turnId, ownerId }, files ?? [])
}

/**
 * Adds at most 10 finished turns, with at most 500 parts and 3,000,000 characters of parts together; to be sent from the newest
 * to the oldest. A turn that is sent alone has at most 2,000 parts. Turns whose prompt exists are skipped. Returns the number of added turns. A turn is placed before the turn of
 * `newerId`; if that does not exist, after all turns that are in OpenCode: the finished ones, and that of `runningId`.
 */
export const add = workerMutation({
  args: { sessionId: v.id("sessions"), turns: v.array(historyTurn), runningId: v.optional(v.string()) },
  handler: async (ctx, { sessionId, turns, runningId }) => {
    if (runningId !== undefined) checkText("runningId", runningId, MAX_NAME)
    checkCount("turns", turns.length, MAX_HISTORY)
    for (const turn of turns) check(turn)
    const payloads = turns.flatMap(({ parts }) => parts.map(({ payload }) => payload.length))
    checkCount("turns.parts", payloads.length, turns.length > 1 ? MAX_HISTORY_PARTS : MAX_PARTS)
    const total = payloads.reduce((sum, length) => sum + length, 0)
    if (total > MAX_PARTS_TOTAL) {
      throw appError("InvalidArgument", `turns.parts have ${total} characters; they take at most ${MAX_PARTS_TOTAL}`)
    }
    const session = await assignedSession(ctx, sessionId)
    let added = 0
    for (const turn of turns) {
      if ((await byMessage(ctx, sessionId, turn.messageId)) !== null) continue
      await insert(ctx, session, turn, runningId)
      added += 1
    }
    return added
  }
})

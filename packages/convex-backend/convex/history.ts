/**
 * What was said in OpenCode before, or beside: turns that were not asked for here.
 *
 * ```
 *   OpenCode     A ─ B ─ C ─ D          told from the newest to the oldest, in any number of calls:
 *   here             B       D  ─ E     C is placed before D, A before B; E is not in OpenCode yet
 * ```
 *
 * @since 0.1.0
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { assignedSession } from "./assigned.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { refusal } from "./errors.ts"
import {
  checkAnsweredBy,
  checkCount,
  checkText,
  MAX_HISTORY,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_PARTS,
  MAX_PARTS_TOTAL,
  MAX_PROMPT
} from "./limits.ts"
import { splitParts } from "./payloads.ts"
import { turnAnsweredBy, turnError, turnOutcome, turnUsage } from "./tables.ts"

/** A finished turn of OpenCode's. The times are milliseconds of the worker's clock. */
const toldTurn = v.object({
  /** OpenCode's id of the prompt. */
  messageId: v.string(),
  /** OpenCode's id of the prompt that came after it. */
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
  parts: v.array(v.object({ index: v.number(), kind: v.string(), payload: v.string() }))
})
type ToldTurn = Infer<typeof toldTurn>

const byMessage = async (ctx: QueryCtx, sessionId: Id<"sessions">, messageId: string | undefined) =>
  messageId === undefined
    ? null
    : ctx.db
        .query("turns")
        .withIndex("by_session_message", (q) => q.eq("sessionId", sessionId).eq("messageId", messageId))
        .first()

/** Which of these prompts (at most 10) the session has already: told before, or asked for here. */
export const known = workerQuery({
  args: { sessionId: v.id("sessions"), messageIds: v.array(v.string()) },
  handler: async (ctx, { sessionId, messageIds }) => {
    checkCount("messageIds", messageIds.length, MAX_HISTORY)
    for (const messageId of messageIds) checkText("messageIds", messageId, MAX_NAME)
    await assignedSession(ctx, sessionId)
    const found = await Promise.all(messageIds.map((messageId) => byMessage(ctx, sessionId, messageId)))
    return messageIds.filter((_, index) => found[index] !== null)
  }
})

/**
 * The prompt of the turn that is claimed, if there is one. Only OpenCode knows whether it has it already, and so whether
 * other turns came after it or before.
 */
export const running = workerQuery({
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

/** Between two whole numbers there is room for a million, each told before the one that was told last. */
const step = 2 ** -20

/** A place right before `turn`. */
const before = async (ctx: QueryCtx, { sessionId, seq }: Doc<"turns">): Promise<number> => {
  const previous = await ctx.db
    .query("turns")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId).lt("seq", seq))
    .order("desc")
    .first()
  return previous === null ? seq - 1 : Math.max((previous.seq + seq) / 2, seq - step)
}

/** A place right after `turn`; without one, at the end of what is in OpenCode, which is before the first unfinished turn. */
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

const check = ({ agent, answeredBy, error, messageId, model, newerId, text }: ToldTurn): void => {
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
  { _id: sessionId, ownerId }: Doc<"sessions">,
  { askedAt, finishedAt, newerId, outcome, parts, ...said }: ToldTurn,
  runningId: string | undefined
): Promise<void> => {
  const now = Date.now()
  const newer = await byMessage(ctx, sessionId, newerId)
  const turnId = await ctx.db.insert("turns", {
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
    epoch: ctx.worker.epoch,
    askedAt: Math.min(askedAt, now),
    finishedAt: Math.min(finishedAt, now)
  })
  for (const row of splitParts(parts)) await ctx.db.insert("parts", { turnId, ...row })
}

/**
 * Adds finished turns, at most 10, whose parts have 3,000,000 characters together: tell the newest first. One whose
 * prompt is there already is passed over. Gives how many were added. A turn comes before the one of `newerId`; where that
 * is not here, after all that is in OpenCode: this is what is finished, and `runningId` if it was `running` and there.
 */
export const add = workerMutation({
  args: { sessionId: v.id("sessions"), turns: v.array(toldTurn), runningId: v.optional(v.string()) },
  handler: async (ctx, { sessionId, turns, runningId }) => {
    if (runningId !== undefined) checkText("runningId", runningId, MAX_NAME)
    checkCount("turns", turns.length, MAX_HISTORY)
    for (const turn of turns) check(turn)
    const payloads = turns.flatMap(({ parts }) => parts.map(({ payload }) => payload.length))
    checkCount("turns.parts", payloads.length, MAX_PARTS)
    const total = payloads.reduce((sum, length) => sum + length, 0)
    if (total > MAX_PARTS_TOTAL) {
      throw refusal("InvalidArgument", `turns.parts have ${total} characters; they take at most ${MAX_PARTS_TOTAL}`)
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

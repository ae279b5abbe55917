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
import { turnError, turnOutcome, turnUsage } from "./tables.ts"

/** A finished turn of OpenCode's. The times are milliseconds of the worker's clock. */
const toldTurn = v.object({
  /** OpenCode's id of the prompt. */
  messageId: v.string(),
  /** OpenCode's ids of the prompts before and after it, where there are any. */
  place: v.object({ olderId: v.optional(v.string()), newerId: v.optional(v.string()) }),
  text: v.string(),
  model: v.optional(v.string()),
  agent: v.optional(v.string()),
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
    await assignedSession(ctx, sessionId)
    const found = await Promise.all(messageIds.map((messageId) => byMessage(ctx, sessionId, messageId)))
    return messageIds.filter((_, index) => found[index] !== null)
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

/** A place at the end. */
const last = async (ctx: QueryCtx, sessionId: Id<"sessions">): Promise<number> => {
  const newest = await ctx.db
    .query("turns")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .order("desc")
    .first()
  return newest === null ? 0 : Math.floor(newest.seq) + 1
}

/** Where a turn belongs: beside its neighbours in OpenCode, and before what did not reach OpenCode yet. */
const seqOf = async (
  ctx: QueryCtx,
  sessionId: Id<"sessions">,
  { newerId, olderId }: ToldTurn["place"]
): Promise<number> => {
  const newer = await byMessage(ctx, sessionId, newerId)
  if (newer !== null) return before(ctx, newer)
  const older = await byMessage(ctx, sessionId, olderId)
  const following =
    older === null
      ? await ctx.db
          .query("turns")
          .withIndex("by_session_finished", (q) => q.eq("sessionId", sessionId).eq("finished", false))
          .first()
      : await ctx.db
          .query("turns")
          .withIndex("by_session", (q) => q.eq("sessionId", sessionId).gt("seq", older.seq))
          .first()
  return following === null ? last(ctx, sessionId) : before(ctx, following)
}

const check = ({ agent, error, messageId, model, place, text }: ToldTurn): void => {
  for (const [field, name] of Object.entries({ messageId, ...place, model, agent })) {
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
  { askedAt, finishedAt, outcome, parts, place, ...said }: ToldTurn
): Promise<void> => {
  const now = Date.now()
  const turnId = await ctx.db.insert("turns", {
    ...said,
    sessionId,
    workerId: ctx.worker._id,
    ownerId,
    seq: await seqOf(ctx, sessionId, place),
    status: outcome,
    ready: false,
    finished: true,
    epoch: ctx.worker.epoch,
    askedAt: Math.min(askedAt, now),
    finishedAt: Math.min(finishedAt, now),
    idempotencyKey: `opencode ${said.messageId}`
  })
  for (const row of splitParts(parts)) await ctx.db.insert("parts", { turnId, ...row })
}

/**
 * Adds finished turns, at most 10, of 3,000,000 characters together: tell the newest first. One whose prompt is there
 * already is passed over. Gives how many were added.
 */
export const add = workerMutation({
  args: { sessionId: v.id("sessions"), turns: v.array(toldTurn) },
  handler: async (ctx, { sessionId, turns }) => {
    checkCount("turns", turns.length, MAX_HISTORY)
    for (const turn of turns) check(turn)
    checkCount(
      "turns.parts",
      turns.reduce((sum, { parts }) => sum + parts.length, 0),
      MAX_PARTS
    )
    const total = turns
      .flatMap(({ parts, text }) => [text, ...parts.map(({ payload }) => payload)])
      .reduce((sum, text) => sum + text.length, 0)
    if (total > MAX_PARTS_TOTAL) {
      throw refusal("InvalidArgument", `turns have ${total} characters together; they take at most ${MAX_PARTS_TOTAL}`)
    }
    const session = await assignedSession(ctx, sessionId)
    let added = 0
    for (const turn of turns) {
      if ((await byMessage(ctx, sessionId, turn.messageId)) !== null) continue
      await insert(ctx, session, turn)
      added += 1
    }
    return added
  }
})

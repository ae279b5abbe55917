/**
 * Removes turns and parts that OpenCode no longer has: undone and replaced by the next prompt, or deleted there.
 *
 * Only turns that OpenCode had are affected: prompts that never reached it, and turns of a session that it has lost, stay.
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { assignedSession, sessionOfOpenCode, type WorkerCtx } from "./authorize.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import {
  checkCount,
  checkText,
  clamp,
  MAX_NAME,
  MAX_PART_CHUNKS,
  MAX_PARTS,
  MAX_RECORD_IDS,
  MAX_SMALL_PAGE
} from "./limits.ts"
import { joinParts } from "./payloads.ts"
import { promptText } from "./prompts.ts"
import { purgeTurn } from "./purge.ts"
import { rewriteSearchText } from "./search.ts"
import { searchTextsOfParts } from "./searchText.ts"

/** A session by its id here, or by OpenCode's. */
const sessionReference = v.union(v.object({ sessionId: v.id("sessions") }), v.object({ opencodeSessionId: v.string() }))

const find = async (ctx: WorkerCtx, reference: Infer<typeof sessionReference>) => {
  if ("sessionId" in reference) return assignedSession(ctx, reference.sessionId)
  checkText("opencodeSessionId", reference.opencodeSessionId, MAX_NAME)
  return sessionOfOpenCode(ctx, reference.opencodeSessionId)
}

const byMessage = (ctx: QueryCtx, sessionId: Id<"sessions">, messageId: string) =>
  ctx.db
    .query("turns")
    .withIndex("by_session_message", (q) => q.eq("sessionId", sessionId).eq("messageId", messageId))
    .first()

/** Whether the session's OpenCode session had this turn when it ended. */
const isRecorded = ({ finished, opencodeSessionId }: Doc<"turns">, session: Doc<"sessions"> | null): boolean =>
  finished && opencodeSessionId !== undefined && opencodeSessionId === session?.opencodeSessionId

/**
 * The newest turns of a session that have an id in OpenCode, among the `limit` (up to 100) before `before`. `recorded`: the
 * turn has ended, and the session's OpenCode session had it. `parts`: the length of its outline. The next page is before
 * `before`, or null.
 */
export const turns = workerQuery({
  args: { session: sessionReference, before: v.optional(v.number()), limit: v.number() },
  handler: async (ctx, { session: reference, before, limit }) => {
    const session = await find(ctx, reference)
    if (session === null) return { turns: [], before: null }
    const size = clamp(limit, MAX_SMALL_PAGE)
    const page = await ctx.db
      .query("turns")
      .withIndex("by_session", (q) => q.eq("sessionId", session._id).lt("seq", before ?? Number.POSITIVE_INFINITY))
      .order("desc")
      .take(size)
    return {
      turns: page.flatMap((turn) =>
        turn.messageId === undefined
          ? []
          : [
              {
                messageId: turn.messageId,
                recorded: isRecorded(turn, session),
                completed: turn.status === "completed",
                parts: turn.parts ?? 0
              }
            ]
      ),
      before: page.length < size ? null : (page.at(-1)?.seq ?? null)
    }
  }
})

/**
 * Deletes the turns of up to 100 prompts that were removed in OpenCode. An unfinished turn stays: its worker will end it.
 */
export const removePrompts = workerMutation({
  args: { session: sessionReference, messageIds: v.array(v.string()) },
  handler: async (ctx, { session: reference, messageIds }) => {
    checkCount("messageIds", messageIds.length, MAX_SMALL_PAGE)
    for (const messageId of messageIds) checkText("messageIds", messageId, MAX_NAME)
    const session = await find(ctx, reference)
    if (session === null) return null
    for (const messageId of messageIds) {
      const turn = await byMessage(ctx, session._id, messageId)
      if (turn?.finished === true) await purgeTurn(ctx, turn._id)
    }
    return null
  }
})

/** OpenCode's ids of its parts, and of the messages that a notice replaces. Notices of the worker have none. */
const isOfOpenCode = (id: string): boolean => /^(?:prt|msg)_/.test(id)

const removeParts = async (ctx: MutationCtx, turn: Doc<"turns">, indexes: ReadonlySet<number>): Promise<void> => {
  const rows = await ctx.db
    .query("parts")
    .withIndex("by_turn", (q) => q.eq("turnId", turn._id))
    .take(MAX_PARTS + MAX_PART_CHUNKS)
  for (const { _id, index } of rows) if (indexes.has(index)) await ctx.db.delete(_id)
  await ctx.db.patch(turn._id, { parts: (turn.parts ?? 0) - indexes.size })
  const kept = joinParts(rows.filter(({ index }) => !indexes.has(index)))
  await rewriteSearchText(ctx, turn._id, await promptText(ctx, turn), searchTextsOfParts(kept))
}

/**
 * Removes all parts of a completed turn that are not among `partIds` (up to 8,000), which are the ids of all its parts and
 * messages in OpenCode. Returns how many. Other turns are not changed, because they may have text that OpenCode has lost.
 */
export const keepParts = workerMutation({
  args: { session: sessionReference, messageId: v.string(), partIds: v.array(v.string()) },
  handler: async (ctx, { session: reference, messageId, partIds }) => {
    checkText("messageId", messageId, MAX_NAME)
    checkCount("partIds", partIds.length, MAX_RECORD_IDS)
    for (const id of partIds) checkText("partIds", id, MAX_NAME)
    const session = await find(ctx, reference)
    const turn = session && (await byMessage(ctx, session._id, messageId))
    if (turn?.status !== "completed" || !isRecorded(turn, session)) return 0
    const kept = new Set(partIds)
    const outline = await ctx.db
      .query("outlines")
      .withIndex("by_turn", (q) => q.eq("turnId", turn._id))
      .take(MAX_PARTS)
    const removed = outline.filter(({ id }) => isOfOpenCode(id) && !kept.has(id))
    for (const { _id } of removed) await ctx.db.delete(_id)
    if (removed.length > 0) await removeParts(ctx, turn, new Set(removed.map(({ index }) => index)))
    return removed.length
  }
})

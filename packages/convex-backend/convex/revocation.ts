/**
 * What becomes of the turns of a worker that may not say so any more: they end here, with the text that was streamed.
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { endTurn } from "./ending.ts"
import { MAX_PARTS, MAX_PARTS_TOTAL, STREAMED_PAGE, STREAMED_PAGES } from "./limits.ts"
import { type Part, splitParts } from "./payloads.ts"

const error = {
  name: "WorkerRevoked",
  message: "This worker was revoked in the middle of this turn. Ask another one if it is still wanted."
}
const notice = { text: "What was written before this is too long to be kept here." }

type Text = { readonly kind: string; readonly pieces: Array<string> }

/** `texts` has what was written last first: its parts, and the pieces of each. */
const toParts = (texts: ReadonlyMap<string, Text>, isWhole: boolean): Array<Part> => {
  const contents = Array.from(texts, ([id, { kind, pieces }]) => ({
    kind,
    payload: { id, text: pieces.toReversed().join("") }
  })).toReversed()
  const all = isWhole ? contents : [{ kind: "notice", payload: notice }, ...contents]
  return all.map(({ kind, payload }, index) => ({ index, kind, payload: JSON.stringify(payload) }))
}

/** A turn's streamed text as parts, in the order in which they began: its end where not all of it fits. */
const streamedParts = async (ctx: QueryCtx, turnId: Id<"turns">): Promise<Array<Part>> => {
  const texts = new Map<string, Text>()
  let room = MAX_PARTS_TOTAL - JSON.stringify(notice).length
  let before = Number.POSITIVE_INFINITY
  for (let pages = 0; pages < STREAMED_PAGES; pages++) {
    const deltas = await ctx.db
      .query("deltas")
      .withIndex("by_turn", (q) => q.eq("turnId", turnId).lt("seq", before))
      .order("desc")
      .take(STREAMED_PAGE)
    for (const { kind, partId, text } of deltas.flatMap(({ segments }) => segments.toReversed())) {
      // A tool's output counts, because it was read.
      room -= JSON.stringify({ id: partId, text }).length
      const known = texts.get(partId)
      if (room < 0 || (known === undefined && texts.size === MAX_PARTS - 1)) return toParts(texts, false)
      if (kind === "tool") continue
      // Set anew, so that the part that began first comes last.
      texts.delete(partId)
      const part = known ?? { kind, pieces: [] }
      part.pieces.push(text)
      texts.set(partId, part)
    }
    before = deltas.at(-1)?.seq ?? before
    if (deltas.length < STREAMED_PAGE) return toParts(texts, true)
  }
  return toParts(texts, false)
}

const unfinished = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"turns"> | null> => {
  const first = (status: "claimed" | "running") =>
    ctx.db
      .query("turns")
      .withIndex("by_worker_epoch", (q) => q.eq("workerId", workerId).eq("status", status))
      .first()
  return (await first("claimed")) ?? (await first("running"))
}

/** Ends the turns that a revoked worker left, one in a transaction, when the caller's is done. */
export const endTurnsOf = async (ctx: MutationCtx, workerId: Id<"workers">): Promise<void> => {
  await ctx.scheduler.runAfter(0, internal.revocation.endNext, { workerId })
}

export const endNext = internalMutation({
  args: { workerId: v.id("workers") },
  handler: async (ctx, { workerId }): Promise<null> => {
    const turn = await unfinished(ctx, workerId)
    if (turn === null || (await ctx.db.get(workerId))?.approval !== "revoked") return null
    for (const row of splitParts(await streamedParts(ctx, turn._id))) {
      await ctx.db.insert("parts", { turnId: turn._id, ...row })
    }
    await endTurn(ctx, turn, turn.abortRequested === true ? { status: "aborted" } : { status: "interrupted", error })
    await endTurnsOf(ctx, workerId)
    return null
  }
})

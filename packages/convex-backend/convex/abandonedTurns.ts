/**
 * Ends the turns and commands of workers that are revoked or were silent for too long. Turns keep their streamed text.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { endTurn } from "./endTurn.ts"
import { leaseOf } from "./lease.ts"
import {
  DAY,
  MAX_PAGE,
  MAX_PARTS,
  MAX_PARTS_TOTAL,
  MAX_SMALL_PAGE,
  SILENT_WORKER,
  STREAMED_PAGE,
  STREAMED_PAGES
} from "./limits.ts"
import { contentOf, insertContent } from "./parts.ts"
import type { Part } from "./payloads.ts"
import { purgeSession } from "./purge.ts"

const revoked = (when: string) => ({
  name: "WorkerRevoked",
  message: `This worker was revoked ${when}. Send the prompt to another worker if it is still needed.`
})
const silent = {
  name: "WorkerSilent",
  message: `This worker stopped during this turn, and was silent for ${SILENT_WORKER / DAY} days. Send the prompt again if it is still needed.`
}
const notice = { text: "The text before this is too long and was not kept." }

const unfinished = v.union(v.literal("claimed"), v.literal("running"), v.literal("queued"))

type Text = { readonly kind: string; readonly pieces: Array<string> }

/** `texts`: the latest part first, with its latest piece first. */
const toParts = (texts: ReadonlyMap<string, Text>, isWhole: boolean): Array<Part> => {
  const contents = Array.from(texts, ([id, { kind, pieces }]) => ({
    kind,
    payload: { id, text: pieces.toReversed().join("") }
  })).toReversed()
  const all = isWhole ? contents : [{ kind: "notice", payload: notice }, ...contents]
  return all.map(({ kind, payload }, index) => ({ index, kind, payload: JSON.stringify(payload) }))
}

/** The streamed text of a turn as parts, in the order in which they began. If it is too long, its end. */
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
      // All but text and notices is not kept, but counts, because it was read.
      room -= JSON.stringify({ id: partId, text }).length
      const known = texts.get(partId)
      if (room < 0 || (known === undefined && texts.size === MAX_PARTS - 1)) return toParts(texts, false)
      if (kind !== "text" && kind !== "reasoning" && kind !== "notice") continue
      // Reinserted, so that the part that began first comes last.
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

/** Schedules the end of all turns and commands of a revoked worker. Its further calls are rejected. */
export const endWorkOf = async (ctx: MutationCtx, workerId: Id<"workers">): Promise<void> => {
  for (const { value: status } of unfinished.members) {
    await ctx.scheduler.runAfter(0, internal.abandonedTurns.endTurns, { workerId, status, cursor: null })
  }
  await ctx.scheduler.runAfter(0, internal.abandonedTurns.failCommands, { workerId })
}

/** Ends abandoned turns, each in its own transaction, so that one failure does not affect the others. */
export const endEach = async (ctx: MutationCtx, turns: ReadonlyArray<Doc<"turns">>): Promise<void> => {
  for (const { _id: turnId } of turns) await ctx.scheduler.runAfter(0, internal.abandonedTurns.endOne, { turnId })
}

export const endTurns = internalMutation({
  args: { workerId: v.id("workers"), status: unfinished, cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { workerId, status, cursor }): Promise<null> => {
    const { page, isDone, continueCursor } = await ctx.db
      .query("turns")
      .withIndex("by_worker_epoch", (q) => q.eq("workerId", workerId).eq("status", status))
      .paginate({ numItems: MAX_PAGE, cursor })
    await endEach(ctx, page)
    if (!isDone) {
      await ctx.scheduler.runAfter(0, internal.abandonedTurns.endTurns, { workerId, status, cursor: continueCursor })
    }
    return null
  }
})

/** The error with which a turn ends because its worker is gone; null if the worker may still continue it. */
const reasonToEnd = async (ctx: QueryCtx, { status, workerId }: Doc<"turns">) => {
  const isQueued = status === "queued"
  if ((await ctx.db.get(workerId))?.approval === "revoked") {
    return revoked(isQueued ? "before it claimed this turn" : "during this turn")
  }
  const lease = await leaseOf(ctx, workerId)
  return !isQueued && lease !== null && lease.expiresAt < Date.now() - SILENT_WORKER ? silent : null
}

export const endOne = internalMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }): Promise<null> => {
    const turn = await ctx.db.get(turnId)
    const error = turn === null || turn.finished ? null : await reasonToEnd(ctx, turn)
    if (turn === null || error === null) return null
    const content = contentOf(await streamedParts(ctx, turnId))
    await insertContent(ctx, turnId, content)
    const status = turn.status === "queued" ? "failed" : "interrupted"
    const parts = content.outline.length
    await endTurn(ctx, turn, turn.abortRequested === true ? { status: "aborted", parts } : { status, error, parts })
    return null
  }
})

export const failCommands = internalMutation({
  args: { workerId: v.id("workers") },
  handler: async (ctx, { workerId }): Promise<null> => {
    const waiting = await ctx.db
      .query("commands")
      .withIndex("by_worker_status", (q) => q.eq("workerId", workerId).eq("status", "queued"))
      .take(MAX_SMALL_PAGE)
    for (const { _id, command } of waiting) {
      const isDelete = command.kind === "delete"
      const error = isDelete
        ? "Deleted in the deployment, but not in OpenCode: the worker was revoked"
        : "This worker was revoked"
      await ctx.db.patch(_id, { status: "failed", finishedAt: Date.now(), error })
      if (isDelete) await purgeSession(ctx, command.sessionId)
    }
    if (waiting.length === MAX_SMALL_PAGE) {
      await ctx.scheduler.runAfter(0, internal.abandonedTurns.failCommands, { workerId })
    }
    return null
  }
})

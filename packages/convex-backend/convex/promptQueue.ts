/**
 * The queued prompts of a session. Until its claim a prompt can be changed, moved and dropped; afterwards these calls fail
 * with `Conflict`.
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { ownedSession, ownedTurn } from "./authorize.ts"
import { operatorMutation, operatorQuery } from "./builders.ts"
import { checkNames } from "./catalogNames.ts"
import { promoteNext } from "./endTurn.ts"
import { checkPrompt } from "./enqueueTurn.ts"
import { appError } from "./errors.ts"
import { MAX_QUEUED_TURNS } from "./limits.ts"
import { promptText, replacePrompt } from "./prompts.ts"
import { purgeTurn } from "./purge.ts"
import { moveLoad } from "./workerLoad.ts"

/** In the order in which they will run. */
const queuedIn = (ctx: QueryCtx, sessionId: Id<"sessions">): Promise<Array<Doc<"turns">>> =>
  ctx.db
    .query("turns")
    .withIndex("by_session_status", (q) => q.eq("sessionId", sessionId).eq("status", "queued"))
    .take(MAX_QUEUED_TURNS)

const queuedTurn = async (ctx: QueryCtx & { readonly operator: string }, turnId: Id<"turns">) => {
  const turn = await ownedTurn(ctx, turnId)
  if (turn.status !== "queued") throw appError("Conflict", `This prompt is not queued any longer: it is ${turn.status}`)
  return turn
}

/** The first 100 queued prompts of a session, in the order in which they will run. `turns.prompt` returns the whole text. */
export const list = operatorQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    await ownedSession(ctx, sessionId)
    const turns = await queuedIn(ctx, sessionId)
    return turns.map(({ _creationTime, _id, agent, command, delivery, fileCount, head, length, model, variant }) => ({
      turnId: _id,
      head,
      length,
      model: model ?? null,
      agent: agent ?? null,
      variant: variant ?? null,
      command: command ?? null,
      fileCount: fileCount ?? 0,
      delivery: delivery ?? "queue",
      createdAt: _creationTime
    }))
  }
})

/** A name, null to let OpenCode choose again, or absent to leave it. */
const name = v.optional(v.union(v.string(), v.null()))

const chosen = (change: string | null | undefined, known: string | undefined): string | undefined =>
  change === undefined ? known : (change ?? undefined)

/** Changes a queued prompt. Fields that are absent stay. The text of a command keeps its `/name`. */
export const edit = operatorMutation({
  args: { turnId: v.id("turns"), text: v.optional(v.string()), model: name, agent: name, variant: name },
  handler: async (ctx, { turnId, ...changes }) => {
    const turn = await queuedTurn(ctx, turnId)
    const prompt = {
      text: changes.text ?? (await promptText(ctx, turn)),
      model: chosen(changes.model, turn.model),
      agent: chosen(changes.agent, turn.agent),
      variant: chosen(changes.variant, turn.variant)
    }
    checkPrompt({ ...prompt, command: turn.command })
    const { text, ...names } = prompt
    await checkNames(ctx, turn.workerId, names)
    await ctx.db.patch(turnId, { ...names, edited: true })
    await replacePrompt(ctx, turnId, text)
    return null
  }
})

/** Moves a queued prompt before another one of its session, or with null after all of them. */
export const move = operatorMutation({
  args: { turnId: v.id("turns"), before: v.union(v.id("turns"), v.null()) },
  handler: async (ctx, { turnId, before }) => {
    const turn = await queuedTurn(ctx, turnId)
    if (turnId === before) return null
    const queued = await queuedIn(ctx, turn.sessionId)
    // The order of those that steer is that in which they are delivered.
    const movable = queued.filter(({ delivery }) => delivery !== "steer")
    const others = movable.filter(({ _id }) => _id !== turnId)
    const to = before === null ? others.length : others.findIndex(({ _id }) => _id === before)
    if (to < 0 || others.length === movable.length) {
      throw appError("Conflict", "Only queued prompts of one session, the first 100, can be moved among each other")
    }
    const moved = [...others.slice(0, to), turn, ...others.slice(to)]
    for (const [index, { _id, seq }] of moved.entries()) {
      const place = movable[index]?.seq ?? seq
      if (place !== seq) await ctx.db.patch(_id, { seq: place, ready: false })
    }
    const session = await ownedSession(ctx, turn.sessionId)
    if (session.status !== "deleting") await promoteNext(ctx, session)
    return null
  }
})

/** Removes a queued prompt, as if it had never been sent. */
export const drop = operatorMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const turn = await queuedTurn(ctx, turnId)
    await ctx.db.patch(turnId, { status: "aborted", ready: false, finished: true, finishedAt: Date.now() })
    await moveLoad(ctx, turn.workerId, turn.status, "aborted")
    await purgeTurn(ctx, turnId)
    const session = await ownedSession(ctx, turn.sessionId)
    if (session.status !== "deleting") await promoteNext(ctx, session)
    return null
  }
})

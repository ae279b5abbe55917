/**
 * Turns as the worker sees them.
 *
 * ```
 *   queued ──claim──▶ claimed ──deliver──▶ running ──finish──▶ completed | failed | aborted | interrupted
 *      ▲                 │ └──────────────finish─────────────▶
 *      ├────requeue──────┘   only what never reached OpenCode; what was to be aborted is aborted instead
 *      └── too old, when it is claimed or once an hour ──▶ expired
 * ```
 *
 * Every call may be sent twice: what is done already is not done again.
 *
 * @since 0.1.0
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { assignedTurn } from "./assigned.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { deleteDeltas, deltasAfter } from "./deltas.ts"
import { endTurn, expireIfStale } from "./ending.ts"
import { refusal } from "./errors.ts"
import {
  bounded,
  checkAnsweredBy,
  checkCount,
  checkText,
  MAX_BATCHES,
  MAX_DELTA,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_PAGE,
  MAX_TURNS_READ
} from "./limits.ts"
import { splitParts } from "./payloads.ts"
import { closeRequests } from "./requests.ts"
import { segment, turnAnsweredBy, turnError, turnOutcome, turnUsage } from "./tables.ts"
import { isWatched } from "./watches.ts"

const sessionOf = async (ctx: QueryCtx, turn: Doc<"turns">): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(turn.sessionId)
  if (session === null) throw refusal("NotFound", "The turn's session is gone")
  return session
}

const view = async (ctx: QueryCtx, turn: Doc<"turns">) => {
  const session = await sessionOf(ctx, turn)
  return {
    turnId: turn._id,
    sessionId: turn.sessionId,
    opencodeSessionId: session.opencodeSessionId ?? null,
    title: session.title,
    text: turn.text,
    model: turn.model ?? null,
    agent: turn.agent ?? null,
    seq: turn.seq,
    createdAt: turn._creationTime
  }
}

/** The oldest turns that can run now, at most `limit` (up to 20): one a session, so the cost is O(limit). */
export const ready = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const turns = await ctx.db
      .query("turns")
      .withIndex("by_worker_ready", (q) => q.eq("workerId", ctx.worker._id).eq("status", "queued").eq("ready", true))
      .take(bounded(limit, MAX_PAGE))
    return Promise.all(turns.map((turn) => view(ctx, turn)))
  }
})

/**
 * Turns that an earlier process left unfinished, at most `limit` (up to 20). With the turns that this process is `running`
 * (up to 20), also those that it claimed and runs no more: look whether it really does not, when the answer is there,
 * because it may have claimed one since it asked. Settle each, and ask again until none is left.
 */
export const unsettled = workerQuery({
  args: { limit: v.number(), running: v.optional(v.array(v.id("turns"))) },
  handler: async (ctx, { limit, running }) => {
    checkCount("running", running?.length ?? 0, MAX_PAGE)
    const runs = new Set(running)
    const size = bounded(limit, Math.min(MAX_PAGE, MAX_TURNS_READ - runs.size))
    const before = running === undefined ? ctx.worker.epoch : ctx.worker.epoch + 1
    const left = (status: "claimed" | "running", count: number) =>
      ctx.db
        .query("turns")
        .withIndex("by_worker_epoch", (q) => q.eq("workerId", ctx.worker._id).eq("status", status).lt("epoch", before))
        .take(count)
    const claimed = await left("claimed", size + runs.size)
    const delivered = await left("running", size + runs.size - claimed.length)
    const turns = [...claimed, ...delivered].filter(({ _id }) => !runs.has(_id)).slice(0, size)
    return Promise.all(
      turns.map(async (turn) => ({
        ...(await view(ctx, turn)),
        delivered: turn.status === "running",
        abortRequested: turn.abortRequested ?? false,
        epoch: turn.epoch ?? 0,
        messageId: turn.messageId ?? null,
        partId: turn.partId ?? null
      }))
    )
  }
})

/**
 * Takes a turn, with the ids that its prompt will have in OpenCode. False: somebody else has it, it is not ready, or it
 * waited too long, and is `expired` by this call.
 */
export const claim = workerMutation({
  args: { turnId: v.id("turns"), messageId: v.string(), partId: v.string() },
  handler: async (ctx, { turnId, messageId, partId }) => {
    checkText("messageId", messageId, MAX_NAME)
    checkText("partId", partId, MAX_NAME)
    const { epoch } = ctx.worker
    const turn = await assignedTurn(ctx, turnId)
    if (turn.status === "claimed" && turn.epoch === epoch && turn.messageId === messageId) return { claimed: true }
    if (turn.status !== "queued" || !turn.ready) return { claimed: false }
    if ((await sessionOf(ctx, turn)).status === "deleting") return { claimed: false }
    if (await expireIfStale(ctx, turn)) return { claimed: false }
    await ctx.db.patch(turnId, { status: "claimed", ready: false, epoch, messageId, partId })
    await ctx.db.patch(turn.sessionId, { status: "running" })
    return { claimed: true }
  }
})

/** The unfinished turns that an operator stopped after their claim, at most `limit` (up to 20). */
export const aborts = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const turns = await ctx.db
      .query("turns")
      .withIndex("by_worker_abort", (q) =>
        q.eq("workerId", ctx.worker._id).eq("finished", false).eq("abortRequested", true)
      )
      .take(bounded(limit, MAX_PAGE))
    return turns.map(({ _id }) => _id)
  }
})

/** OpenCode shows the prompt: from here on it is never sent again. */
export const deliver = workerMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const turn = await assignedTurn(ctx, turnId)
    if (turn.status === "running" && turn.epoch === ctx.worker.epoch) return null
    if (turn.status !== "claimed" || turn.epoch !== ctx.worker.epoch) {
      throw refusal("Conflict", `A turn that is ${turn.status} in epoch ${turn.epoch ?? "none"} cannot be delivered`)
    }
    await ctx.db.patch(turnId, { status: "running" })
    return null
  }
})

/**
 * Streamed text of any number of turns (up to 100), in one transaction. A batch that is there already, or whose turn
 * this process does not run, is passed over: live text is a courtesy, the final parts are the truth. Gives the turns
 * among them that somebody reads along, which is how a worker knows without asking.
 */
export const appendDeltas = workerMutation({
  args: { batches: v.array(v.object({ turnId: v.id("turns"), seq: v.number(), segments: v.array(segment) })) },
  handler: async (ctx, { batches }) => {
    checkCount("batches", batches.length, MAX_BATCHES)
    const watched: Array<Id<"turns">> = []
    for (const { turnId, seq, segments } of batches) {
      const size = segments.reduce((sum, { partId, text }) => sum + partId.length + text.length, 0)
      if (size > MAX_DELTA) {
        throw refusal(
          "InvalidArgument",
          `segments have ${size} characters in one batch; they take at most ${MAX_DELTA}`
        )
      }
      const turn = await ctx.db.get(turnId)
      if (turn?.workerId !== ctx.worker._id || turn.finished || turn.epoch !== ctx.worker.epoch) continue
      const existing = await ctx.db
        .query("deltas")
        .withIndex("by_turn", (q) => q.eq("turnId", turnId).eq("seq", seq))
        .unique()
      if (existing === null) await ctx.db.insert("deltas", { turnId, seq, segments })
      if (await isWatched(ctx, turn.sessionId)) watched.push(turnId)
    }
    return { watched }
  }
})

/**
 * Ends a turn: its parts, its status, the end of its deltas and requests, and the readiness of the session's next turn
 * are one transaction. Also for turns of an earlier process, which is how they are settled.
 */
export const finish = workerMutation({
  args: {
    turnId: v.id("turns"),
    outcome: turnOutcome,
    error: v.optional(turnError),
    usage: v.optional(turnUsage),
    answeredBy: v.optional(turnAnsweredBy),
    /** The parts tell the reader that OpenCode had lost the session. */
    announcesLoss: v.optional(v.boolean()),
    parts: v.array(v.object({ index: v.number(), kind: v.string(), payload: v.string() }))
  },
  handler: async (ctx, { turnId, outcome, error, usage, answeredBy, announcesLoss, parts }) => {
    if (error !== undefined) {
      checkText("error.name", error.name, MAX_NAME)
      checkText("error.message", error.message, MAX_MESSAGE, 0)
    }
    checkAnsweredBy(answeredBy)
    const rows = splitParts(parts)
    const turn = await assignedTurn(ctx, turnId)
    if (turn.finished) return null
    if (turn.status === "queued") throw refusal("Conflict", "A turn that was not claimed cannot be finished")
    for (const row of rows) await ctx.db.insert("parts", { turnId, ...row })
    await endTurn(ctx, turn, {
      status: outcome,
      ...(error !== undefined && { error }),
      ...(usage !== undefined && { usage }),
      ...(answeredBy !== undefined && { answeredBy })
    })
    const session = announcesLoss === true ? await ctx.db.get(turn.sessionId) : null
    if (session?.lost === true) await ctx.db.patch(session._id, { lost: undefined })
    return null
  }
})

/** What was streamed of a turn after the delta `after` (0: from the start), at most 100 deltas: all that a crash may have left of its text. */
export const streamed = workerQuery({
  args: { turnId: v.id("turns"), after: v.number() },
  handler: async (ctx, { turnId, after }) => {
    await assignedTurn(ctx, turnId)
    return deltasAfter(ctx, turnId, after)
  }
})

/**
 * Gives back a turn that OpenCode never saw. A delivered one is refused: it may have had effects. One that its operator
 * stopped is `aborted` instead. `messageId`: of the claim that is taken back; one that was made since is left alone.
 */
export const requeue = workerMutation({
  args: { turnId: v.id("turns"), messageId: v.optional(v.string()) },
  handler: async (ctx, { turnId, messageId }) => {
    if (messageId !== undefined) checkText("messageId", messageId, MAX_NAME)
    const turn = await assignedTurn(ctx, turnId)
    if (turn.status === "queued" || turn.status === "aborted") return null
    if (messageId !== undefined && turn.messageId !== messageId) return null
    if (turn.status !== "claimed") {
      throw refusal("Conflict", `A turn that is ${turn.status} cannot be queued again: it reached OpenCode`)
    }
    if (turn.abortRequested === true) {
      await endTurn(ctx, turn, { status: "aborted" })
      return null
    }
    await ctx.db.patch(turnId, {
      status: "queued",
      ready: (await sessionOf(ctx, turn)).status !== "deleting",
      epoch: undefined,
      messageId: undefined,
      partId: undefined
    })
    await deleteDeltas(ctx, turnId)
    await closeRequests(ctx, turnId)
    const { status } = await sessionOf(ctx, turn)
    if (status === "running") await ctx.db.patch(turn.sessionId, { status: "idle" })
    return null
  }
})

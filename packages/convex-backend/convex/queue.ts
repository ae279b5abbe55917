/**
 * The worker's side of turns.
 *
 * ```
 *   queued ──claim──▶ claimed ──markDelivered──▶ running ──finish──▶ completed | failed | aborted | interrupted
 *      ▲                 │ └─────────────────finish────────────────▶
 *      ├────requeue──────┘   only undelivered turns; with a requested abort they are aborted instead
 *      └── too old, at a claim or once an hour ──▶ expired
 * ```
 *
 * All calls are idempotent.
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { fileReference, keepAgentFiles } from "./attachments.ts"
import { assignedTurn } from "./authorize.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { checkChanges, insertChanges, turnChanges } from "./changes.ts"
import { deleteDeltas, deltasAfter } from "./deltas.ts"
import { endTurn, expireIfStale, promoteNext, statusOf } from "./endTurn.ts"
import { appError } from "./errors.ts"
import {
  clamp,
  checkAnsweredBy,
  checkCount,
  checkText,
  MAX_BATCHES,
  MAX_DELTA,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_PAGE
} from "./limits.ts"
import { contentOf, insertContent } from "./parts.ts"
import { promptOf } from "./prompts.ts"
import { moveLoad } from "./workerLoad.ts"
import { closeRequests, hasPending } from "./requests.ts"
import { storeState, todosOf } from "./sessionStates.ts"
import { mayRunIn } from "./turnOrder.ts"
import { contextUse, segment, turnAnsweredBy, turnError, turnOutcome, turnUsage } from "./validators.ts"
import { isWatched } from "./viewers.ts"

const sessionOf = async (ctx: QueryCtx, turn: Doc<"turns">): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(turn.sessionId)
  if (session === null) throw appError("NotFound", "The turn's session is gone")
  return session
}

const toReadyTurn = ({ _id: turnId, askTimeout, delivery, sessionId }: Doc<"turns">) => ({
  turnId,
  sessionId,
  delivery: delivery ?? ("queue" as const),
  ...(askTimeout !== undefined && { askTimeout })
})

/**
 * The oldest turns that can run now, at most `limit` (up to 20): one per session, so the cost is O(limit). A turn with the
 * delivery `steer` may run while others of its session run.
 */
export const listReady = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const turns = await ctx.db
      .query("turns")
      .withIndex("by_worker_ready", (q) => q.eq("workerId", ctx.worker._id).eq("status", "queued").eq("ready", true))
      .take(clamp(limit, MAX_PAGE))
    const allowed = await Promise.all(turns.map((turn) => mayRunIn(ctx, ctx.worker.epoch, turn)))
    return turns.filter((_, index) => allowed[index]).map(toReadyTurn)
  }
})

/**
 * Turns that an earlier process left unfinished, at most `limit` (up to 20). With `running`, the turns that this process
 * runs (up to 20), also turns that it claimed and no longer runs. `asks`: a request of it waits for an answer. The process may have claimed a turn since the call, so
 * compare the result with the turns that run now. Recover each, and call again until none is left.
 */
export const listOrphaned = workerQuery({
  args: { limit: v.number(), running: v.optional(v.array(v.id("turns"))) },
  handler: async (ctx, { limit, running }) => {
    checkCount("running", running?.length ?? 0, MAX_PAGE)
    const runs = new Set(running)
    const size = clamp(limit, MAX_PAGE)
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
        ...toReadyTurn(turn),
        opencodeSessionId: (await sessionOf(ctx, turn)).opencodeSessionId ?? null,
        delivered: turn.status === "running",
        abortRequested: turn.abortRequested ?? false,
        asks: await hasPending(ctx, turn._id),
        epoch: turn.epoch ?? 0,
        messageId: turn.messageId ?? null,
        partId: turn.partId ?? null
      }))
    )
  }
})

/**
 * Claims a turn, with the ids that its prompt will have in OpenCode, and returns the prompt. Null if another process has
 * claimed it, it is not ready, or it was queued for too long; this call sets it to `expired` then.
 */
export const claim = workerMutation({
  args: { turnId: v.id("turns"), messageId: v.string(), partId: v.string() },
  handler: async (ctx, { turnId, messageId, partId }) => {
    checkText("messageId", messageId, MAX_NAME)
    checkText("partId", partId, MAX_NAME)
    const { epoch } = ctx.worker
    const turn = await assignedTurn(ctx, turnId)
    if (turn.status === "claimed" && turn.epoch === epoch && turn.messageId === messageId) return promptOf(ctx, turn)
    if (turn.status !== "queued" || !turn.ready) return null
    if ((await sessionOf(ctx, turn)).status === "deleting") return null
    if (await expireIfStale(ctx, turn)) return null
    if (!(await mayRunIn(ctx, epoch, turn))) return null
    await ctx.db.patch(turnId, { status: "claimed", ready: false, epoch, messageId, partId })
    await moveLoad(ctx, turn.workerId, turn.status, "claimed")
    await ctx.db.patch(turn.sessionId, { status: "running" })
    return promptOf(ctx, turn)
  }
})

/** The unfinished turns with a requested abort, at most `limit` (up to 20). */
export const aborts = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const turns = await ctx.db
      .query("turns")
      .withIndex("by_worker_abort", (q) =>
        q.eq("workerId", ctx.worker._id).eq("finished", false).eq("abortRequested", true)
      )
      .take(clamp(limit, MAX_PAGE))
    return turns.map(({ _id }) => _id)
  }
})

/** Records that OpenCode has the prompt: it is never sent again. A prompt that steers the turn becomes ready. */
export const markDelivered = workerMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const turn = await assignedTurn(ctx, turnId)
    if (turn.status === "running" && turn.epoch === ctx.worker.epoch) return null
    if (turn.status !== "claimed" || turn.epoch !== ctx.worker.epoch) {
      throw appError("Conflict", `A turn that is ${turn.status} in epoch ${turn.epoch ?? "none"} cannot be delivered`)
    }
    await ctx.db.patch(turnId, { status: "running" })
    const session = await sessionOf(ctx, turn)
    if (session.status !== "deleting") await promoteNext(ctx, session)
    return null
  }
})

/**
 * Stores streamed text of up to 100 turns in one transaction. A batch that is stored already, or whose turn this process
 * does not run, is ignored: only final parts are guaranteed. Returns the turns among them that a client watches, so that
 * the worker needs no subscription for it.
 */
export const appendDeltas = workerMutation({
  args: { batches: v.array(v.object({ turnId: v.id("turns"), seq: v.number(), segments: v.array(segment) })) },
  handler: async (ctx, { batches }) => {
    checkCount("batches", batches.length, MAX_BATCHES)
    const watched: Array<Id<"turns">> = []
    for (const { turnId, seq, segments } of batches) {
      const size = segments.reduce(
        (sum, { name = "", partId, text }) => sum + name.length + partId.length + text.length,
        0
      )
      if (size > MAX_DELTA) {
        throw appError(
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
 * Ends a turn: in one transaction its parts and status are written, its deltas and requests end, and the session's next
 * turn becomes ready. Also for turns of an earlier process, in recovery.
 */
export const finish = workerMutation({
  args: {
    turnId: v.id("turns"),
    outcome: turnOutcome,
    error: v.optional(turnError),
    usage: v.optional(turnUsage),
    answeredBy: v.optional(turnAnsweredBy),
    /** The parts contain a notice that OpenCode has lost the history of the session. */
    announcesLoss: v.optional(v.boolean()),
    context: v.optional(contextUse),
    changes: v.optional(turnChanges),
    /** Files in the parts that were uploaded to the storage. */
    files: v.optional(v.array(fileReference)),
    parts: v.array(v.object({ index: v.number(), kind: v.string(), payload: v.string() }))
  },
  handler: async (
    ctx,
    { turnId, outcome, error, usage, answeredBy, announcesLoss, context, changes, files, parts }
  ) => {
    if (error !== undefined) {
      checkText("error.name", error.name, MAX_NAME)
      checkText("error.message", error.message, MAX_MESSAGE, 0)
    }
    checkAnsweredBy(answeredBy)
    if (changes !== undefined) checkChanges(changes)
    const content = contentOf(parts)
    const turn = await assignedTurn(ctx, turnId)
    if (turn.finished) return null
    if (turn.status === "queued") throw appError("Conflict", "A turn that was not claimed cannot be finished")
    await insertContent(ctx, turnId, content)
    if (changes !== undefined) await insertChanges(ctx, turnId, changes)
    await keepAgentFiles(ctx, turn, files ?? [])
    const session = await ctx.db.get(turn.sessionId)
    // A prompt without an answer may never have reached OpenCode, or was lost with it.
    const recordedIn = answeredBy === undefined ? undefined : session?.opencodeSessionId
    await endTurn(ctx, turn, {
      status: outcome,
      parts: content.outline.length,
      ...(error !== undefined && { error }),
      ...(usage !== undefined && { usage }),
      ...(answeredBy !== undefined && { answeredBy }),
      ...(recordedIn !== undefined && { opencodeSessionId: recordedIn })
    })
    await storeState(ctx, turn.sessionId, { context, files: changes?.files, todos: todosOf(parts) })
    if (announcesLoss === true && session?.historyLost === true)
      await ctx.db.patch(session._id, { historyLost: undefined })
    return null
  }
})

/** The deltas of a turn after `after` (0: from the start), at most 100. In recovery they are the only text of the turn. */
export const listDeltas = workerQuery({
  args: { turnId: v.id("turns"), after: v.number() },
  handler: async (ctx, { turnId, after }) => {
    await assignedTurn(ctx, turnId)
    return deltasAfter(ctx, turnId, after)
  }
})

/**
 * Requeues an undelivered turn. Fails for a delivered one, which may have had effects. A turn with a requested abort is
 * `aborted` instead. `messageId`: of the claim to revert; a later claim is not affected.
 */
export const requeue = workerMutation({
  args: { turnId: v.id("turns"), messageId: v.optional(v.string()) },
  handler: async (ctx, { turnId, messageId }) => {
    if (messageId !== undefined) checkText("messageId", messageId, MAX_NAME)
    const turn = await assignedTurn(ctx, turnId)
    if (turn.status === "queued" || turn.status === "aborted") return null
    if (messageId !== undefined && turn.messageId !== messageId) return null
    if (turn.status !== "claimed") {
      throw appError("Conflict", `A turn that is ${turn.status} cannot be queued again: it reached OpenCode`)
    }
    if (turn.abortRequested === true) {
      await endTurn(ctx, turn, { status: "aborted" })
      return null
    }
    await ctx.db.patch(turnId, {
      status: "queued",
      ready: false,
      epoch: undefined,
      messageId: undefined,
      partId: undefined
    })
    await moveLoad(ctx, turn.workerId, turn.status, "queued")
    await deleteDeltas(ctx, turnId)
    await closeRequests(ctx, turnId)
    const session = await sessionOf(ctx, turn)
    if (session.status === "deleting") return null
    await ctx.db.patch(session._id, { status: statusOf(await promoteNext(ctx, session)) })
    return null
  }
})

/**
 * The operator's side of turns: prompts and their answers.
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Doc } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { fileReference, referencesOf } from "./attachments.ts"
import { operatorMutation, operatorQuery, stoppingMutation } from "./builders.ts"
import { deltasAfter } from "./deltas.ts"
import { endTurn } from "./endTurn.ts"
import { callOf, enqueue } from "./enqueueTurn.ts"
import { appError } from "./errors.ts"
import { checkText, clamp, MAX_PAGE, MAX_PROMPT, MAX_SMALL_PAGE } from "./limits.ts"
import { partAt, wholePart } from "./parts.ts"
import { promptText } from "./prompts.ts"
import { ownedSession, ownedTurn } from "./authorize.ts"
import { turnBudget } from "./validators.ts"

const toTurnView = (turn: Doc<"turns">, undoneFrom = Number.POSITIVE_INFINITY) => ({
  turnId: turn._id,
  sessionId: turn.sessionId,
  seq: turn.seq,
  /** The first 200 characters of the prompt; `prompt` returns all of it. */
  head: turn.head,
  /** Of the prompt, in UTF-16 code units. */
  length: turn.length,
  model: turn.model ?? null,
  agent: turn.agent ?? null,
  variant: turn.variant ?? null,
  /** The command of OpenCode that the prompt runs: its text is `/name arguments`. */
  command: turn.command ?? null,
  budget: turn.budget ?? null,
  /** `steer`: it was sent into the turn before it. */
  delivery: turn.delivery ?? "queue",
  /** Files attached to the prompt: read them with `files.list`. */
  fileCount: turn.fileCount ?? 0,
  status: turn.status,
  /** Whether OpenCode has undone it: its messages and its file changes. */
  undone: turn.messageId !== undefined && turn.seq >= undoneFrom,
  error: turn.error ?? null,
  usage: turn.usage ?? null,
  answeredBy: turn.answeredBy ?? null,
  /** Entries of the outline; 0 before the turn is finished. */
  parts: turn.parts ?? 0,
  /** Of the outcome and the parts, for caches; null before the turn is finished. It changes when they do. */
  version: turn.finished ? `1.${turn.finishedAt ?? 0}.${turn.parts ?? 0}` : null,
  createdAt: turn.askedAt ?? turn._creationTime,
  finishedAt: turn.finishedAt ?? null
})

const promptArgs = {
  sessionId: v.id("sessions"),
  model: v.optional(v.string()),
  agent: v.optional(v.string()),
  variant: v.optional(v.string()),
  askTimeout: v.optional(v.union(v.number(), v.null())),
  budget: v.optional(turnBudget),
  /** Uploaded before, through `files.uploadUrl`. */
  files: v.optional(v.array(fileReference)),
  idempotencyKey: v.string()
}

/**
 * Queues a prompt, and returns the turn's id. It is durable then, with the worker online or not. Idempotent by key, also for
 * 30 days after the turn was deleted, by an undo or `promptQueue.drop`: then it fails with `NotFound`.
 * `delivery: "steer"`: if a turn of the session runs, the prompt is delivered into it, before all queued prompts. That turn
 * ends with what it had, and the new one takes over. If none runs, the prompt is queued at the end.
 * `askTimeout`: milliseconds in which its requests must be answered (1 second to 20 days), or null for no limit; absent: the
 * worker's own limit.
 *
 * `budget`: the worker stops the turn when its use, that of its sub-agents included, exceeds one of them: `cost` in US dollars,
 * `tokens` without cache reads. It is checked at the end of each model step.
 *
 * Fails with `InvalidArgument`, and lists what exists, if an online worker does not have the agent or the variant.
 */
export const send = operatorMutation({
  args: {
    ...promptArgs,
    text: v.string(),
    delivery: v.optional(v.union(v.literal("queue"), v.literal("steer")))
  },
  handler: (ctx, { sessionId, idempotencyKey, delivery, ...prompt }) =>
    enqueue(ctx, sessionId, prompt, idempotencyKey, delivery)
})

/**
 * Queues a command of OpenCode (`catalog.get` lists them) as a turn, whose text is `/name arguments`, and returns its id. As
 * `send`, but it never steers. `model` and `agent` apply only where the command has none of its own. The worker refuses
 * arguments that would run a shell or name a file outside of its directory: the turn fails then.
 */
export const command = operatorMutation({
  args: { ...promptArgs, name: v.string(), arguments: v.string() },
  handler: (ctx, { sessionId, idempotencyKey, name, arguments: args, ...prompt }) => {
    checkText("arguments", args, MAX_PROMPT, 0)
    return enqueue(ctx, sessionId, { ...prompt, command: name, text: callOf(name, args) }, idempotencyKey)
  }
})

/**
 * Sends the prompt of an ended turn again, with the same text, files, model and agent, as the last turn of the session. Returns
 * the new turn's id. Idempotent by key. Fails with `Conflict` if the turn has not ended.
 */
export const resend = operatorMutation({
  args: { turnId: v.id("turns"), idempotencyKey: v.string() },
  handler: async (ctx, { turnId, idempotencyKey }) => {
    const turn = await ownedTurn(ctx, turnId)
    if (!turn.finished) {
      throw appError(
        "Conflict",
        `This turn is ${turn.status}: wait until it ends, or stop it, before you send it again`
      )
    }
    const { agent, askTimeout, budget, command: name, model, sessionId, variant } = turn
    const [text, files] = [await promptText(ctx, turn), await referencesOf(ctx, turnId)]
    const prompt = { text, command: name, model, agent, variant, askTimeout, budget, files }
    return enqueue(ctx, sessionId, prompt, idempotencyKey)
  }
})

/**
 * Stops a turn, and returns when that is recorded. A queued turn is `aborted` at once. A running turn is `aborted` when its
 * worker, or the next process of that worker, has stopped it; its text is kept. The prompt is not sent again. A finished
 * turn does not change, and repeating the call changes nothing.
 */
export const abort = stoppingMutation({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const turn = await ownedTurn(ctx, turnId)
    if (turn.finished) return null
    if (turn.status === "queued") await endTurn(ctx, turn, { status: "aborted" })
    else if (turn.abortRequested !== true) await ctx.db.patch(turnId, { abortRequested: true })
    return null
  }
})

/** The `seq` of the first undone turn of a session. OpenCode's ids ascend. */
const undoneFrom = async (ctx: QueryCtx, { _id, revertedFrom }: Doc<"sessions">): Promise<number | undefined> => {
  if (revertedFrom === undefined) return undefined
  const first = await ctx.db
    .query("turns")
    .withIndex("by_session_message", (q) => q.eq("sessionId", _id).gte("messageId", revertedFrom))
    .first()
  return first?.seq
}

/** A page of a session's turns (up to 20), in their order, or the newest first. */
export const list = operatorQuery({
  args: {
    sessionId: v.id("sessions"),
    order: v.optional(v.union(v.literal("asc"), v.literal("desc"))),
    paginationOpts: paginationOptsValidator
  },
  handler: async (ctx, { sessionId, order, paginationOpts }) => {
    const from = await undoneFrom(ctx, await ownedSession(ctx, sessionId))
    const result = await ctx.db
      .query("turns")
      .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
      .order(order ?? "asc")
      .paginate({ ...paginationOpts, numItems: clamp(paginationOpts.numItems, MAX_PAGE) })
    return { ...result, page: result.page.map((turn) => toTurnView(turn, from)) }
  }
})

/** The whole text of a turn's prompt. */
export const prompt = operatorQuery({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => ({ text: await promptText(ctx, await ownedTurn(ctx, turnId)) })
})

/**
 * The status of a turn and its deltas after `after` (0: from the start), at most 100. Subscribe again with the last `seq`,
 * so that each delta is read once. A requeued turn has another `messageId`, and its deltas start at 1. A finished turn has
 * parts and no deltas.
 */
export const live = operatorQuery({
  args: { turnId: v.id("turns"), after: v.number() },
  handler: async (ctx, { turnId, after }) => {
    const turn = await ownedTurn(ctx, turnId)
    return {
      sessionId: turn.sessionId,
      status: turn.status,
      error: turn.error ?? null,
      usage: turn.usage ?? null,
      answeredBy: turn.answeredBy ?? null,
      messageId: turn.messageId ?? null,
      deltas: turn.finished ? [] : await deltasAfter(ctx, turnId, after)
    }
  }
})

/** A page of a turn's final parts (up to 100), complete and in order; empty before it is finished. `payload`: JSON text. */
export const parts = operatorQuery({
  args: { turnId: v.id("turns"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { turnId, paginationOpts }) => {
    await ownedTurn(ctx, turnId)
    // All parts of a turn together are below the read limit of a query.
    const result = await ctx.db
      .query("parts")
      .withIndex("by_turn_chunk", (q) => q.eq("turnId", turnId).eq("chunk", 0))
      .paginate({ ...paginationOpts, numItems: clamp(paginationOpts.numItems, MAX_SMALL_PAGE) })
    const page = await Promise.all(result.page.map((first) => wholePart(ctx, first)))
    return { ...result, page: page.flat() }
  }
})

/**
 * A page of a turn's outline (up to 100 entries of at most 300 bytes): one entry per final part that a reader sees, in
 * order, or the last first. Empty before the turn is finished. It does not change while the turn's `version` is the same.
 */
export const outline = operatorQuery({
  args: {
    turnId: v.id("turns"),
    order: v.optional(v.union(v.literal("asc"), v.literal("desc"))),
    paginationOpts: paginationOptsValidator
  },
  handler: async (ctx, { turnId, order, paginationOpts }) => {
    await ownedTurn(ctx, turnId)
    const result = await ctx.db
      .query("outlines")
      .withIndex("by_turn", (q) => q.eq("turnId", turnId))
      .order(order ?? "asc")
      .paginate({ ...paginationOpts, numItems: clamp(paginationOpts.numItems, MAX_SMALL_PAGE) })
    return { ...result, page: result.page.map(({ _creationTime, _id, turnId: _turnId, ...entry }) => entry) }
  }
})

/** One whole final part of a turn, by the index of its outline's entry. Null if there is no such part. */
export const part = operatorQuery({
  args: { turnId: v.id("turns"), index: v.number() },
  handler: async (ctx, { turnId, index }) => {
    await ownedTurn(ctx, turnId)
    return partAt(ctx, turnId, index)
  }
})

/**
 * What an operator tells a worker to do, and what became of it.
 *
 * ```
 *   issued ──▶ queued ──settle──▶ done | failed
 * ```
 *
 * A command is carried out at least once: a worker that dies between doing and saying so does it again. Each is such that
 * doing it twice is doing it once.
 *
 * @since 0.1.0
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { readyNext } from "./ending.ts"
import { refusal } from "./errors.ts"
import { bounded, checkName, checkText, MAX_MESSAGE, MAX_PAGE, MAX_QUEUED_COMMANDS } from "./limits.ts"
import { usableWorker } from "./owned.ts"
import { purgeSession } from "./purge.ts"
import type { command } from "./tables.ts"

type What = Infer<typeof command>

/** What a command is for: the same key for another purpose is a mistake. */
type Purpose = Pick<What, "kind"> & { readonly sessionId?: Id<"sessions"> }

const isFor = (command: What, { kind, sessionId }: Purpose): boolean =>
  command.kind === kind && (!("sessionId" in command) || command.sessionId === sessionId)

/**
 * The command that the operator's key made, or null. Functions that write more than the command call this first. Refused
 * with `Conflict` if the key made a command for another purpose.
 */
export const issued = async (
  ctx: QueryCtx & { readonly operator: string },
  idempotencyKey: string,
  purpose: Purpose,
  workerId?: Id<"workers">
): Promise<Id<"commands"> | null> => {
  checkName("idempotencyKey", idempotencyKey)
  const existing = await ctx.db
    .query("commands")
    .withIndex("by_owner_key", (q) => q.eq("ownerId", ctx.operator).eq("idempotencyKey", idempotencyKey))
    .unique()
  if (existing === null) return null
  if (isFor(existing.command, purpose) && (workerId === undefined || existing.workerId === workerId))
    return existing._id
  throw refusal(
    "Conflict",
    `This idempotencyKey was used for another command (${existing.command.kind}): use a new one`
  )
}

/** Refuses a command when too many are queued. */
const checkRoom = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<void> => {
  const waiting = await ctx.db
    .query("commands")
    .withIndex("by_worker_status", (q) => q.eq("workerId", workerId).eq("status", "queued"))
    .take(MAX_QUEUED_COMMANDS)
  if (waiting.length === MAX_QUEUED_COMMANDS) {
    throw refusal("RateLimited", `${MAX_QUEUED_COMMANDS} commands wait for this worker: try again when it is online`)
  }
}

/** What waits already and means the same: asking for it again is not asking for more. */
const waitingFor = async (ctx: QueryCtx, workerId: Id<"workers">, what: What): Promise<Id<"commands"> | null> => {
  if (what.kind !== "loadHistory") return null
  const latest = await ctx.db
    .query("commands")
    .withIndex("by_worker_status_kind", (q) =>
      q
        .eq("workerId", workerId)
        .eq("status", "queued")
        .eq("command.kind", what.kind)
        .eq("command.sessionId", what.sessionId)
    )
    .order("desc")
    .first()
  return latest?._id ?? null
}

/** Queues a command of a worker that is not revoked. The same key of the same operator returns the same command. */
export const issue = async (
  ctx: MutationCtx & { readonly operator: string },
  workerId: Id<"workers">,
  what: What,
  idempotencyKey: string
): Promise<Id<"commands">> => {
  const existing = await issued(ctx, idempotencyKey, what, workerId)
  if (existing !== null) return existing
  const { epoch } = await usableWorker(ctx, workerId)
  const same = await waitingFor(ctx, workerId, what)
  if (same !== null) return same
  await checkRoom(ctx, workerId)
  return ctx.db.insert("commands", {
    ownerId: ctx.operator,
    workerId,
    epoch,
    command: what,
    status: "queued",
    idempotencyKey
  })
}

/** What became of one of your commands; null: it is not there (any more). */
export const get = operatorQuery({
  args: { commandId: v.id("commands") },
  handler: async (ctx, { commandId }) => {
    const row = await ctx.db.get(commandId)
    if (row?.ownerId !== ctx.operator) return null
    return { command: row.command, status: row.status, error: row.error ?? null, createdAt: row._creationTime }
  }
})

const opencodeSessionOf = async (ctx: QueryCtx, row: Doc<"commands">) => {
  const sessionId = "sessionId" in row.command ? row.command.sessionId : undefined
  return sessionId === undefined ? null : ((await ctx.db.get(sessionId))?.opencodeSessionId ?? null)
}

/**
 * The oldest queued commands, at most `limit` (up to 20). `epoch` is the worker's when the command was issued: `pause`,
 * `resume` and `drain` mean the process of that epoch and no later one.
 */
export const queued = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const rows = await ctx.db
      .query("commands")
      .withIndex("by_worker_status", (q) => q.eq("workerId", ctx.worker._id).eq("status", "queued"))
      .take(bounded(limit, MAX_PAGE))
    return Promise.all(
      rows.map(async (row) => ({
        commandId: row._id,
        command: row.command,
        opencodeSessionId: await opencodeSessionOf(ctx, row),
        epoch: row.epoch
      }))
    )
  }
})

/** The worker has done a command, or could not for the reason in `error`. A settled command stays as it is. */
export const settle = workerMutation({
  args: { commandId: v.id("commands"), error: v.optional(v.string()) },
  handler: async (ctx, { commandId, error }) => {
    if (error !== undefined) checkText("error", error, MAX_MESSAGE, 0)
    const row = await ctx.db.get(commandId)
    if (row?.workerId !== ctx.worker._id) throw refusal("NotFound", "This worker has no such command")
    if (row.status !== "queued") return null
    await ctx.db.patch(commandId, {
      status: error === undefined ? "done" : "failed",
      finishedAt: Date.now(),
      ...(error !== undefined && { error })
    })
    if (row.command.kind !== "delete") return null
    const session = await ctx.db.get(row.command.sessionId)
    if (session === null) return null
    if (error === undefined) {
      await purgeSession(ctx, session._id)
    } else {
      // It is still there, so it is to be used again, from where it stands.
      const first = await readyNext(ctx, session)
      await ctx.db.patch(session._id, { status: first === null || first.status === "queued" ? "idle" : "running" })
    }
    return null
  }
})

/**
 * Commands of operators to workers, and their outcome.
 *
 * ```
 *   enqueueCommand ──▶ queued ──settle──▶ done | failed
 * ```
 *
 * A command is executed at least once: a worker that dies before it reports the outcome executes it again. Commands that are
 * not idempotent (undo, redo, fork, compact, shell) are begun in the deployment first, and executed at most once.
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { promoteNext, statusOf } from "./endTurn.ts"
import { appError } from "./errors.ts"
import { clamp, checkName, checkText, MAX_MESSAGE, MAX_PAGE, MAX_QUEUED_COMMANDS, MAX_RESULT } from "./limits.ts"
import { usableWorker } from "./authorize.ts"
import { purgeSession } from "./purge.ts"
import type { command } from "./validators.ts"

type What = Infer<typeof command>

/** The purpose of a command: the same key for another purpose is a conflict. */
type Purpose = Pick<What, "kind"> & { readonly sessionId?: Id<"sessions">; readonly line?: string }

const isFor = (command: What, { kind, line, sessionId }: Purpose): boolean =>
  command.kind === kind &&
  (!("sessionId" in command) || command.sessionId === sessionId) &&
  (!("line" in command) || command.line === line)

/**
 * The command with this key of the operator, or null. Functions that write more than the command call this first. Fails
 * with `Conflict` if the key was used for another purpose.
 */
export const findCommand = async (
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
  throw appError(
    "Conflict",
    `This idempotencyKey was used for another command (${existing.command.kind}): use a new one`
  )
}

/** Rejects a command if too many are queued. */
const checkRoom = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<void> => {
  const waiting = await ctx.db
    .query("commands")
    .withIndex("by_worker_status", (q) => q.eq("workerId", workerId).eq("status", "queued"))
    .take(MAX_QUEUED_COMMANDS)
  if (waiting.length === MAX_QUEUED_COMMANDS) {
    throw appError("RateLimited", `${MAX_QUEUED_COMMANDS} commands wait for this worker: try again when it is online`)
  }
}

/** A queued command with the same effect, which is used instead of a new one. */
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

/** Queues a command for a worker that is not revoked, and returns its id. Idempotent by the operator's key. */
export const enqueueCommand = async (
  ctx: MutationCtx & { readonly operator: string },
  workerId: Id<"workers">,
  what: What,
  idempotencyKey: string
): Promise<Id<"commands">> => {
  const existing = await findCommand(ctx, idempotencyKey, what, workerId)
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

/**
 * The state of one of your commands, or null if it does not exist. `result`: JSON of a command that ended, or null. Commands
 * are deleted after 30 days.
 */
export const get = operatorQuery({
  args: { commandId: v.id("commands") },
  handler: async (ctx, { commandId }) => {
    const row = await ctx.db.get(commandId)
    if (row?.ownerId !== ctx.operator) return null
    const { _creationTime: createdAt, command, error, result, status } = row
    return { command, status, error: error ?? null, result: result ?? null, createdAt }
  }
})

const opencodeSessionOf = async (ctx: QueryCtx, row: Doc<"commands">) => {
  const sessionId = "sessionId" in row.command ? row.command.sessionId : undefined
  return sessionId === undefined ? null : ((await ctx.db.get(sessionId))?.opencodeSessionId ?? null)
}

/**
 * The oldest queued commands, at most `limit` (up to 20). `epoch`: of the worker when the command was created. `pause`,
 * `resume` and `drain` apply to the process of that epoch only.
 */
export const queued = workerQuery({
  args: { limit: v.number() },
  handler: async (ctx, { limit }) => {
    const rows = await ctx.db
      .query("commands")
      .withIndex("by_worker_status", (q) => q.eq("workerId", ctx.worker._id).eq("status", "queued"))
      .take(clamp(limit, MAX_PAGE))
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

/** Begins a command that must not run twice. Returns false if an earlier process began it, and may have carried it out. */
export const begin = workerMutation({
  args: { commandId: v.id("commands") },
  handler: async (ctx, { commandId }) => {
    const { epoch } = ctx.worker
    const row = await ctx.db.get(commandId)
    if (row?.workerId !== ctx.worker._id) throw appError("NotFound", "This worker has no such command")
    if (row.status !== "queued") return false
    if (row.begunIn === undefined) await ctx.db.patch(commandId, { begunIn: epoch })
    return row.begunIn === undefined || row.begunIn === epoch
  }
})

/** Stores the outcome of a command: done, or failed with `error`, and its result. A settled command does not change. */
export const settle = workerMutation({
  args: { commandId: v.id("commands"), error: v.optional(v.string()), result: v.optional(v.string()) },
  handler: async (ctx, { commandId, error, result }) => {
    if (error !== undefined) checkText("error", error, MAX_MESSAGE, 0)
    if (result !== undefined) checkText("result", result, MAX_RESULT, 0)
    const row = await ctx.db.get(commandId)
    if (row?.workerId !== ctx.worker._id) throw appError("NotFound", "This worker has no such command")
    if (row.status !== "queued") return null
    await ctx.db.patch(commandId, {
      status: error === undefined ? "done" : "failed",
      finishedAt: Date.now(),
      ...(error !== undefined && { error }),
      ...(result !== undefined && { result })
    })
    if (row.command.kind !== "delete") return null
    const session = await ctx.db.get(row.command.sessionId)
    if (session === null) return null
    if (error === undefined) {
      await purgeSession(ctx, session._id)
    } else {
      // The session still exists, so it becomes usable again.
      await ctx.db.patch(session._id, { status: statusOf(await promoteNext(ctx, session)) })
    }
    return null
  }
})

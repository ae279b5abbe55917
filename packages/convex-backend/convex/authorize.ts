/** Rows by their id, restricted to those of the calling operator or worker. All others are `NotFound`. */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"

export const ownedSession = async (
  ctx: QueryCtx & { readonly operator: string },
  sessionId: Id<"sessions">
): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(sessionId)
  if (session?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such session")
  return session
}

export const ownedWorker = async (
  ctx: QueryCtx & { readonly operator: string },
  workerId: Id<"workers">
): Promise<Doc<"workers">> => {
  const worker = await ctx.db.get(workerId)
  if (worker?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such worker")
  return worker
}

/** An approved worker of the operator. Fails with `NotFound` or `Revoked`. */
export const usableWorker = async (
  ctx: QueryCtx & { readonly operator: string },
  workerId: Id<"workers">
): Promise<Doc<"workers">> => {
  const worker = await ownedWorker(ctx, workerId)
  if (worker.approval === "revoked") throw appError("Revoked", "This worker was revoked: choose another worker")
  return worker
}

export const ownedTurn = async (
  ctx: QueryCtx & { readonly operator: string },
  turnId: Id<"turns">
): Promise<Doc<"turns">> => {
  const turn = await ctx.db.get(turnId)
  if (turn?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such turn")
  return turn
}

export type WorkerCtx<Ctx = QueryCtx> = Ctx & { readonly worker: Doc<"workers"> }

export const assignedTurn = async (ctx: WorkerCtx, turnId: Id<"turns">): Promise<Doc<"turns">> => {
  const turn = await ctx.db.get(turnId)
  if (turn?.workerId !== ctx.worker._id) throw appError("NotFound", "This worker has no such turn")
  return turn
}

export const assignedSession = async (ctx: WorkerCtx, sessionId: Id<"sessions">): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(sessionId)
  if (session?.workerId !== ctx.worker._id) throw appError("NotFound", "This worker has no such session")
  return session
}

/** The worker's session with this id in OpenCode; null if there is none. */
export const sessionOfOpenCode = (ctx: WorkerCtx, opencodeSessionId: string): Promise<Doc<"sessions"> | null> =>
  ctx.db
    .query("sessions")
    .withIndex("by_worker_opencode", (q) => q.eq("workerId", ctx.worker._id).eq("opencodeSessionId", opencodeSessionId))
    .first()

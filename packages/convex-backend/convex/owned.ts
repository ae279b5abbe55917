/**
 * An operator's own rows; anybody else's are not there for them.
 *
 * @since 0.1.0
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { refusal } from "./errors.ts"

/** The operator's session, else `NotFound`. */
export const ownedSession = async (
  ctx: QueryCtx & { readonly operator: string },
  sessionId: Id<"sessions">
): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(sessionId)
  if (session?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such session")
  return session
}

/** The operator's worker, else `NotFound`. */
export const ownedWorker = async (
  ctx: QueryCtx & { readonly operator: string },
  workerId: Id<"workers">
): Promise<Doc<"workers">> => {
  const worker = await ctx.db.get(workerId)
  if (worker?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such worker")
  return worker
}

/** The operator's worker, approved; else `NotFound` or `Revoked`. */
export const usableWorker = async (
  ctx: QueryCtx & { readonly operator: string },
  workerId: Id<"workers">
): Promise<Doc<"workers">> => {
  const worker = await ownedWorker(ctx, workerId)
  if (worker.approval === "revoked") throw refusal("Revoked", "This worker was revoked: choose another one")
  return worker
}

/** The operator's turn, else `NotFound`. */
export const ownedTurn = async (
  ctx: QueryCtx & { readonly operator: string },
  turnId: Id<"turns">
): Promise<Doc<"turns">> => {
  const turn = await ctx.db.get(turnId)
  if (turn?.ownerId !== ctx.operator) throw refusal("NotFound", "You have no such turn")
  return turn
}

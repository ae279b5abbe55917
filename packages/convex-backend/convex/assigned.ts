/**
 * Rows by their id, restricted to those of the calling worker. Rows of other workers are `NotFound`.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { refusal } from "./errors.ts"

type WorkerCtx = QueryCtx & { readonly worker: Doc<"workers"> }

export const assignedTurn = async (ctx: WorkerCtx, turnId: Id<"turns">): Promise<Doc<"turns">> => {
  const turn = await ctx.db.get(turnId)
  if (turn?.workerId !== ctx.worker._id) throw refusal("NotFound", "This worker has no such turn")
  return turn
}

export const assignedSession = async (ctx: WorkerCtx, sessionId: Id<"sessions">): Promise<Doc<"sessions">> => {
  const session = await ctx.db.get(sessionId)
  if (session?.workerId !== ctx.worker._id) throw refusal("NotFound", "This worker has no such session")
  return session
}

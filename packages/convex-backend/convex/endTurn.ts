/**
 * The end of a turn, for all callers.
 */
import type { Doc } from "./_generated/dataModel.ts"
import type { MutationCtx } from "./_generated/server.ts"
import { deleteApprovals } from "./approvals.ts"
import { deleteDeltas } from "./deltas.ts"
import { showResult } from "./inboxItems.ts"
import { STALE_TURN } from "./limits.ts"
import { closeRequests } from "./requests.ts"
import { firstUnfinished, mayFollow } from "./turnOrder.ts"
import { recordUsage } from "./usage.ts"
import { moveLoad } from "./workerLoad.ts"

type Ending = Pick<Doc<"turns">, "answeredBy" | "error" | "opencodeSessionId" | "parts" | "usage"> & {
  readonly status: Exclude<Doc<"turns">["status"], "queued" | "claimed" | "running">
}

/** The agent ended with its worker, so its question has no answer any longer. Sending the prompt again is one action. */
const askedNotAnswered = ({ subject }: Doc<"requests">) => ({
  name: "AskedNotAnswered",
  message: `Asked, not answered: the worker stopped while the turn waited for an answer (${subject}). Send the prompt again if it is still wanted.`
})

/**
 * Sets the final status, deletes the deltas, closes the requests, and makes the session's next turn ready, in the caller's
 * transaction. The turn must be unfinished.
 */
export const endTurn = async (ctx: MutationCtx, turn: Doc<"turns">, ending: Ending): Promise<void> => {
  const finishedAt = Date.now()
  const [asked] = await closeRequests(ctx, turn._id)
  const error = asked !== undefined && ending.status === "interrupted" ? { error: askedNotAnswered(asked) } : {}
  const end = { ...ending, ...error }
  await ctx.db.patch(turn._id, { ...end, ready: false, finished: true, finishedAt })
  await moveLoad(ctx, turn.workerId, turn.status, ending.status)
  await deleteDeltas(ctx, turn._id)
  await deleteApprovals(ctx, turn._id)
  await recordUsage(ctx, { ...turn, ...end }, finishedAt)
  const session = await ctx.db.get(turn.sessionId)
  if (session === null) return
  if (session.status !== "deleting") await showResult(ctx, turn, end)
  const first = session.status === "deleting" ? null : await promoteNext(ctx, session)
  await ctx.db.patch(session._id, {
    lastActivityAt: finishedAt,
    ...(session.status !== "deleting" && { status: statusOf(first) })
  })
}

/** The status of a session by its first unfinished turn. */
export const statusOf = (first: Doc<"turns"> | null): "idle" | "running" =>
  first === null || first.status === "queued" ? "idle" : "running"

/** Expires a queued turn that is older than `STALE_TURN`. Returns whether it did. */
export const expireIfStale = async (ctx: MutationCtx, turn: Doc<"turns">): Promise<boolean> => {
  if (turn._creationTime >= Date.now() - STALE_TURN) return false
  await endTurn(ctx, turn, { status: "expired" })
  return true
}

/** Makes the first queued turn of a session ready, if it may run. Returns the first unfinished turn, as it was before. */
export const promoteNext = async (ctx: MutationCtx, session: Doc<"sessions">): Promise<Doc<"turns"> | null> => {
  const turns = await firstUnfinished(ctx, session._id)
  const at = turns.findIndex(({ status }) => status === "queued")
  const next = turns[at]
  if (next !== undefined && !next.ready && mayFollow(next, turns.slice(0, at))) {
    await ctx.db.patch(next._id, { ready: true })
  }
  return turns[0] ?? null
}

/**
 * The order of a session's unfinished turns: those that run, then steering prompts, then the others.
 *
 * ```
 *   running ◀─ steer ─ steer      queued ─ queued       a steering prompt may be claimed while all before it are delivered
 *   3          3+step   3+2·step   4        5            seq
 * ```
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import { MAX_STEERS } from "./limits.ts"

/** The distance of steering prompts: a million fit before the next whole number. */
const step = 2 ** -20

/** The first unfinished turns of a session, in their order: all that run, all steering prompts, and the next queued one. */
export const firstUnfinished = (ctx: QueryCtx, sessionId: Id<"sessions">): Promise<Array<Doc<"turns">>> =>
  ctx.db
    .query("turns")
    .withIndex("by_session_finished", (q) => q.eq("sessionId", sessionId).eq("finished", false))
    .take(MAX_STEERS + 2)

/** Whether a queued turn may run after the unfinished turns that come before it. */
export const mayFollow = ({ delivery }: Doc<"turns">, before: ReadonlyArray<Doc<"turns">>): boolean =>
  before.length === 0 || (delivery === "steer" && before.every(({ status }) => status === "running"))

/**
 * Whether a ready turn may be claimed in this epoch. A steering prompt waits for the recovery of a turn that an earlier
 * process has left.
 */
export const mayRunIn = async (ctx: QueryCtx, epoch: number, turn: Doc<"turns">): Promise<boolean> => {
  if (turn.delivery !== "steer") return true
  const turns = await firstUnfinished(ctx, turn.sessionId)
  const before = turns.filter(({ seq }) => seq < turn.seq)
  return mayFollow(turn, before) && before.every((other) => other.epoch === epoch)
}

/** The place of a new prompt. `steer` holds if a turn of the session runs; otherwise the prompt is queued at the end. */
export const placeOf = async (
  ctx: QueryCtx,
  sessionId: Id<"sessions">,
  delivery: "queue" | "steer"
): Promise<Pick<Doc<"turns">, "seq" | "ready" | "delivery">> => {
  const last = await ctx.db
    .query("turns")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .order("desc")
    .first()
  const unfinished = await firstUnfinished(ctx, sessionId)
  const seq = Math.floor(last?.seq ?? 0) + 1
  const [head] = unfinished
  if (delivery === "queue" || head === undefined || head.status === "queued") return { seq, ready: head === undefined }
  const before = unfinished.filter((turn) => turn.status !== "queued" || turn.delivery === "steer")
  if (before.filter((turn) => turn.delivery === "steer").length >= MAX_STEERS) {
    throw appError("RateLimited", `${MAX_STEERS} steering prompts of this session are not answered yet: wait for one`)
  }
  const from = before.at(-1)?.seq ?? head.seq
  const next = unfinished[before.length]
  return {
    seq: next === undefined ? seq : Math.min((from + next.seq) / 2, from + step),
    ready: before.every(({ status }) => status === "running"),
    delivery
  }
}

/**
 * Tokens and cost, by session, day, worker and model. The sums change in the transaction that ends a turn, so each turn is
 * counted once.
 */
import { paginationOptsValidator } from "convex/server"
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { ownedSession } from "./authorize.ts"
import { operatorQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { clamp, MAX_SMALL_PAGE } from "./limits.ts"

type Sum = Omit<Doc<"usageSessions">, "_id" | "_creationTime" | "sessionId" | "context">

const sumOf = (usage: NonNullable<Doc<"turns">["usage"]>): Sum => ({
  turns: 1,
  input: usage.input,
  output: usage.output,
  reasoning: usage.reasoning,
  cacheRead: usage.cacheRead ?? 0,
  cacheWrite: usage.cacheWrite ?? 0,
  cost: usage.cost
})

const nothing: Sum = { turns: 0, input: 0, output: 0, reasoning: 0, cacheRead: 0, cacheWrite: 0, cost: 0 }

const add = (one: Sum, other: Sum): Sum => ({
  turns: one.turns + other.turns,
  input: one.input + other.input,
  output: one.output + other.output,
  reasoning: one.reasoning + other.reasoning,
  cacheRead: one.cacheRead + other.cacheRead,
  cacheWrite: one.cacheWrite + other.cacheWrite,
  cost: one.cost + other.cost
})

/** Adds the usage of a turn that ends at `at`, in milliseconds. */
export const recordUsage = async (
  ctx: MutationCtx,
  turn: Pick<Doc<"turns">, "answeredBy" | "ownerId" | "sessionId" | "usage" | "workerId">,
  at: number
): Promise<void> => {
  if (turn.usage === undefined) return
  const { ownerId, sessionId, workerId } = turn
  const sum = sumOf(turn.usage)
  const day = new Date(at).toISOString().slice(0, 10)
  const model = turn.answeredBy?.model ?? ""
  const ofDay = await ctx.db
    .query("usageDays")
    .withIndex("by_owner_day", (q) =>
      q.eq("ownerId", ownerId).eq("day", day).eq("workerId", workerId).eq("model", model)
    )
    .unique()
  if (ofDay === null) await ctx.db.insert("usageDays", { ownerId, day, workerId, model, ...sum })
  else await ctx.db.patch(ofDay._id, add(ofDay, sum))
  const ofSession = await usageOfSession(ctx, sessionId)
  const { context } = turn.usage
  const latest = context === undefined ? {} : { context }
  if (ofSession === null) await ctx.db.insert("usageSessions", { sessionId, ...latest, ...sum })
  else await ctx.db.patch(ofSession._id, { ...latest, ...add(ofSession, sum) })
}

const usageOfSession = (ctx: QueryCtx, sessionId: Id<"sessions">) =>
  ctx.db
    .query("usageSessions")
    .withIndex("by_session", (q) => q.eq("sessionId", sessionId))
    .unique()

export const deleteUsage = async (ctx: MutationCtx, sessionId: Id<"sessions">): Promise<void> => {
  const row = await usageOfSession(ctx, sessionId)
  if (row !== null) await ctx.db.delete(row._id)
}

/** The usage of one of your sessions. `context`: tokens in the context of its last answer, or null. */
export const session = operatorQuery({
  args: { sessionId: v.id("sessions") },
  handler: async (ctx, { sessionId }) => {
    await ownedSession(ctx, sessionId)
    const row = await usageOfSession(ctx, sessionId)
    return { ...add(nothing, row ?? nothing), context: row?.context ?? null }
  }
})

const checkDay = (field: string, day: string): void => {
  if (!/^\d{4}-\d\d-\d\d$/.test(day)) throw appError("InvalidArgument", `${field} is not a day such as 2026-01-31`)
}

/**
 * A page (up to 100) of your usage from the day `from` to the day `to`, both included (UTC), the newest day first: one row
 * per day, worker and model. Sum the rows by the field that you show.
 */
export const days = operatorQuery({
  args: { from: v.string(), to: v.string(), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { from, to, paginationOpts }) => {
    checkDay("from", from)
    checkDay("to", to)
    const result = await ctx.db
      .query("usageDays")
      .withIndex("by_owner_day", (q) => q.eq("ownerId", ctx.operator).gte("day", from).lte("day", to))
      .order("desc")
      .paginate({ ...paginationOpts, numItems: clamp(paginationOpts.numItems, MAX_SMALL_PAGE) })
    const page = result.page.map((row) => ({
      day: row.day,
      workerId: row.workerId,
      model: row.model,
      ...add(nothing, row)
    }))
    return { ...result, page }
  }
})

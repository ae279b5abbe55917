/**
 * Queries of operators that a worker answers from its machine: files, changes, transcripts of sub-agents, and the state of
 * OpenCode's servers.
 *
 * ```
 *   ask ──▶ waiting ──answer──▶ done | failed ──close, or after a minute──▶ deleted
 *              └──── 15 s ────▶ expired ──────────────┘
 * ```
 *
 * All need the scope `operate`, and only the device that asked reads the result: a query reaches files that no turn has
 * shown, such as `.env`, and makes the worker's machine work. A device with the scope `read` sees what turns have shown.
 */
import { type Infer, v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { usableWorker } from "./authorize.ts"
import { type OperatorCaller, operatorMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import {
  checkName,
  checkText,
  MAX_MESSAGE,
  MAX_NAME,
  MAX_PATH,
  MAX_QUERIES,
  MAX_QUERY_RESULT,
  QUERY_MEMORY,
  QUERY_TIME
} from "./limits.ts"
import { presenceOf } from "./presence.ts"
import { query as queryValidator } from "./validators.ts"

type Query = Infer<typeof queryValidator>

const checkQuery = (query: Query): void => {
  if (query.kind === "findFiles") checkText("query.text", query.text, MAX_NAME)
  if (query.kind === "readFile") checkText("query.path", query.path, MAX_PATH)
  if (query.kind === "subAgent") checkText("query.agentSessionId", query.agentSessionId, MAX_NAME)
}

/** The order of fields does not count. */
const isSame = (a: Query, b: Query): boolean => {
  const fields = (of: Query) => JSON.stringify(Object.entries(of).toSorted(([x], [y]) => (x < y ? -1 : 1)))
  return fields(a) === fields(b)
}

const isOf = (row: Doc<"queries">, { device, operator }: OperatorCaller): boolean =>
  row.ownerId === operator && row.deviceId === device?.deviceId

/** Counts rows in every status: a result is as large as a document may be, and stays until it was read. */
const checkRoom = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<void> => {
  const known = await ctx.db
    .query("queries")
    .withIndex("by_worker_status", (q) => q.eq("workerId", workerId))
    .take(MAX_QUERIES)
  if (known.length === MAX_QUERIES) {
    throw appError("RateLimited", `${MAX_QUERIES} queries of this worker are not closed: try again in a minute`)
  }
}

const remove = async (ctx: MutationCtx, queryId: Id<"queries">): Promise<void> => {
  const result = await ctx.db
    .query("queryResults")
    .withIndex("by_query", (q) => q.eq("queryId", queryId))
    .unique()
  if (result !== null) await ctx.db.delete(result._id)
  await ctx.db.delete(queryId)
}

/**
 * Asks a worker, which must be online, and returns the id of the query. It expires after 15 s. Idempotent by the operator's
 * key while the query exists. `readFile` takes a path that is relative to the worker's directory, or absolute and in it.
 */
export const ask = operatorMutation({
  args: { workerId: v.id("workers"), query: queryValidator, idempotencyKey: v.string() },
  handler: async (ctx, { workerId, query, idempotencyKey }): Promise<Id<"queries">> => {
    checkName("idempotencyKey", idempotencyKey)
    checkQuery(query)
    await usableWorker(ctx, workerId)
    const existing = await ctx.db
      .query("queries")
      .withIndex("by_owner_key", (q) => q.eq("ownerId", ctx.operator).eq("idempotencyKey", idempotencyKey))
      .unique()
    if (existing !== null) {
      if (existing.workerId === workerId && isOf(existing, ctx) && isSame(existing.query, query)) {
        return existing._id
      }
      throw appError("Conflict", "This idempotencyKey was used for another query: use a new one")
    }
    if (!(await presenceOf(ctx, workerId)).online) {
      throw appError("Conflict", "This worker is offline: start it first")
    }
    await checkRoom(ctx, workerId)
    const queryId = await ctx.db.insert("queries", {
      ownerId: ctx.operator,
      workerId,
      query,
      status: "waiting",
      idempotencyKey,
      ...(ctx.device !== null && { deviceId: ctx.device.deviceId })
    })
    await ctx.scheduler.runAfter(QUERY_TIME, internal.queries.expire, { queryId })
    return queryId
  }
})

/**
 * The result of a query of yours as JSON, or null while it waits. Fails with `QueryFailed` and the worker's reason, `Expired`, or
 * `NotFound` once it is deleted.
 */
export const get = operatorQuery({
  args: { queryId: v.id("queries") },
  handler: async (ctx, { queryId }): Promise<{ readonly result: string | null }> => {
    const row = await ctx.db.get(queryId)
    if (row === null || !isOf(row, ctx)) throw appError("NotFound", "You have no such query")
    if (row.status === "waiting") return { result: null }
    if (row.status === "done") {
      const stored = await ctx.db
        .query("queryResults")
        .withIndex("by_query", (q) => q.eq("queryId", queryId))
        .unique()
      return { result: stored?.result ?? "null" }
    }
    if (row.status === "failed") throw appError("QueryFailed", row.error ?? "The worker could not answer")
    throw appError("Expired", `The worker did not answer within ${QUERY_TIME / 1_000} s`)
  }
})

/** Deletes a query of yours, whose result was read or is not needed. May be repeated. */
export const close = operatorMutation({
  args: { queryId: v.id("queries") },
  handler: async (ctx, { queryId }) => {
    const row = await ctx.db.get(queryId)
    if (row !== null && isOf(row, ctx)) await remove(ctx, queryId)
    return null
  }
})

/** The queries that wait for the worker's answer, the oldest first. */
export const waiting = workerQuery({
  args: {},
  handler: async (ctx) => {
    const rows = await ctx.db
      .query("queries")
      .withIndex("by_worker_status", (q) => q.eq("workerId", ctx.worker._id).eq("status", "waiting"))
      .take(MAX_QUERIES)
    return rows.map(({ _id: queryId, query }) => ({ queryId, query }))
  }
})

/** Stores the result of a query as JSON, or the reason of its failure. Does nothing if the query has ended. */
export const answer = workerMutation({
  args: { queryId: v.id("queries"), error: v.optional(v.string()), result: v.optional(v.string()) },
  handler: async (ctx, { queryId, error, result }) => {
    if (error !== undefined) checkText("error", error, MAX_MESSAGE, 0)
    if (result !== undefined) checkText("result", result, MAX_QUERY_RESULT, 0)
    const row = await ctx.db.get(queryId)
    if (row?.workerId !== ctx.worker._id || row.status !== "waiting") return null
    if (error === undefined) {
      await ctx.db.patch(queryId, { status: "done" })
      if (result !== undefined) await ctx.db.insert("queryResults", { queryId, result })
    } else {
      await ctx.db.patch(queryId, { status: "failed", error })
    }
    return null
  }
})

/** Ends a query that was not answered in time, and schedules the deletion of one that is not closed. */
export const expire = internalMutation({
  args: { queryId: v.id("queries") },
  handler: async (ctx, { queryId }): Promise<null> => {
    const row = await ctx.db.get(queryId)
    if (row === null) return null
    if (row.status === "waiting") await ctx.db.patch(queryId, { status: "expired" })
    await ctx.scheduler.runAfter(QUERY_MEMORY, internal.queries.forget, { queryId })
    return null
  }
})

/** Deletes a query that was not closed. */
export const forget = internalMutation({
  args: { queryId: v.id("queries") },
  handler: async (ctx, { queryId }): Promise<null> => {
    if ((await ctx.db.get(queryId)) !== null) await remove(ctx, queryId)
    return null
  }
})

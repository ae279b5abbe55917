/**
 * How many turns of a worker run and wait. The counts change in the transaction that changes a turn, so that a list reads one
 * row, and are counted again when a process acquires the lease.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_SMALL_PAGE } from "./limits.ts"

type Status = Doc<"turns">["status"]

const rowOf = (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"workerLoads"> | null> =>
  ctx.db
    .query("workerLoads")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()

export const loadOf = async (ctx: QueryCtx, workerId: Id<"workers">) => {
  const row = await rowOf(ctx, workerId)
  return { running: row?.running ?? 0, queued: row?.queued ?? 0 }
}

const write = async (ctx: MutationCtx, workerId: Id<"workers">, load: { running: number; queued: number }) => {
  const row = await rowOf(ctx, workerId)
  if (row === null) await ctx.db.insert("workerLoads", { workerId, ...load })
  else if (row.running !== load.running || row.queued !== load.queued) await ctx.db.patch(row._id, load)
}

const isQueued = (status: Status | null): number => (status === "queued" ? 1 : 0)
const isRunning = (status: Status | null): number => (status === "claimed" || status === "running" ? 1 : 0)

/** Records that a turn changed its status. Null: it did not exist, or is deleted. */
export const moveLoad = async (
  ctx: MutationCtx,
  workerId: Id<"workers">,
  from: Status | null,
  to: Status | null
): Promise<void> => {
  const queued = isQueued(to) - isQueued(from)
  const running = isRunning(to) - isRunning(from)
  if (queued === 0 && running === 0) return
  const before = await loadOf(ctx, workerId)
  await write(ctx, workerId, {
    queued: Math.max(0, before.queued + queued),
    running: Math.max(0, before.running + running)
  })
}

/** A count that reached its limit may be too low. */
const known = (counted: number, stored: number) => (counted < MAX_SMALL_PAGE ? counted : Math.max(counted, stored))

/** Counts again. More than 100 of a status are not counted, and keep the stored number. */
export const recountLoad = async (ctx: MutationCtx, workerId: Id<"workers">): Promise<void> => {
  const count = async (status: Status) => {
    const turns = await ctx.db
      .query("turns")
      .withIndex("by_worker_ready", (q) => q.eq("workerId", workerId).eq("status", status))
      .take(MAX_SMALL_PAGE)
    return turns.length
  }
  const before = await loadOf(ctx, workerId)
  await write(ctx, workerId, {
    queued: known(await count("queued"), before.queued),
    running: known((await count("claimed")) + (await count("running")), before.running)
  })
}

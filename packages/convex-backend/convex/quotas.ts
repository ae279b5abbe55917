/**
 * Limits of what a signed-in operator may write in a window of time: calls, rows and bytes of arguments. They stop a program
 * that loops, before it fills the deployment or its bill.
 *
 * One row per operator is read and written by each of their mutations: they conflict with nothing of other operators. Queries
 * write nothing and are not counted, nor are calls that fail.
 */
import type { MutationCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import { QUOTA, QUOTA_WINDOW } from "./limits.ts"

declare const process: { readonly env: Readonly<Record<string, string | undefined>> }

type Kind = keyof typeof QUOTA
type Used = Record<Kind, number>

/** The factor of the deployment's environment; infinite if it is 0. */
const factor = (): number => {
  const given = Number(process.env["OPENCODE_WORKER_QUOTA"] ?? 1)
  return given > 0 ? given : given === 0 ? Number.POSITIVE_INFINITY : 1
}

const names: Record<Kind, string> = { calls: "calls", rows: "new rows", bytes: "bytes of arguments" }

/** Rejects use above the limits, and names the limit and the end of the window. */
const check = (used: Used, since: number, now: number): void => {
  const times = factor()
  for (const kind of ["calls", "rows", "bytes"] as const) {
    const limit = QUOTA[kind] * times
    if (used[kind] <= limit) continue
    const minutes = Math.max(1, Math.ceil((since + QUOTA_WINDOW - now) / 60_000))
    throw appError(
      "RateLimited",
      `The limit of ${Math.floor(limit)} ${names[kind]} per operator in ${QUOTA_WINDOW / 60_000} minutes is reached: ` +
        `try again in ${minutes} min`
    )
  }
}

interface Meter {
  readonly db: MutationCtx["db"]
  readonly settle: (args: Record<string, unknown>) => Promise<void>
}

/** Counts a mutation: `db` counts rows while the handler runs, and `settle` stores the use when it has succeeded. */
export const meter = async (ctx: MutationCtx, ownerId: string): Promise<Meter> => {
  const now = Date.now()
  const row = await ctx.db
    .query("quotas")
    .withIndex("by_owner", (q) => q.eq("ownerId", ownerId))
    .unique()
  const isCurrent = row !== null && row.since + QUOTA_WINDOW > now
  const { since, ...before } = isCurrent ? row : { since: now, calls: 0, rows: 0, bytes: 0 }
  const calls = before.calls + 1
  // The cheapest refusal comes first: before the handler reads anything.
  check({ calls, rows: before.rows, bytes: before.bytes }, since, now)
  let { rows } = before
  const insert: MutationCtx["db"]["insert"] = (table, value) => {
    rows += 1
    return ctx.db.insert(table, value)
  }
  const settle = async (args: Record<string, unknown>): Promise<void> => {
    const bytes = before.bytes + new TextEncoder().encode(JSON.stringify(args)).length
    const used = { calls, rows, bytes }
    check(used, since, now)
    if (row === null) await ctx.db.insert("quotas", { ownerId, since, ...used })
    else await ctx.db.patch(row._id, { since, ...used })
  }
  return { db: { ...ctx.db, insert }, settle }
}

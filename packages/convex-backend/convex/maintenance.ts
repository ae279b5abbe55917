/**
 * Periodic maintenance. Every transaction is clamp, and schedules the next one while rows are left.
 *
 * An expired lease has its own scheduled function, `lease.expire`. Its turns are recovered by the next process of the
 * worker, which finds them by their epoch, or ended here after a week without one.
 */
import { type Infer, v } from "convex/values"
import { internal } from "./_generated/api.ts"
import { internalMutation, type MutationCtx } from "./_generated/server.ts"
import { expireIfStale } from "./endTurn.ts"
import { deleteItem } from "./inboxItems.ts"
import { MAX_PAGE, RETENTION, SILENT_WORKER, TRIM_BATCH } from "./limits.ts"
import { purgeSession } from "./purge.ts"
import { allParts } from "./parts.ts"
import { promptText } from "./prompts.ts"
import { deleteRequest } from "./requestContents.ts"
import { extendSearchText } from "./search.ts"
import { searchTextOfPrompt, searchTextsOfParts } from "./searchText.ts"
import { endEach } from "./abandonedTurns.ts"

/**
 * Expires turns that have been queued for a day, so that no old prompt runs unexpectedly; the operator can resend it. One
 * turn per transaction, which also deletes its deltas and makes the next one ready.
 */
export const expireTurns = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const oldest = await ctx.db
      .query("turns")
      .withIndex("by_status", (q) => q.eq("status", "queued"))
      .first()
    if (oldest !== null && (await expireIfStale(ctx, oldest))) {
      await ctx.scheduler.runAfter(0, internal.maintenance.expireTurns, {})
    }
    return null
  }
})

/**
 * Ends the turns of workers that were silent for a week, with their streamed text. `before` (milliseconds of the server's
 * clock) is the same for all pages, because a cursor belongs to one query.
 */
export const endAbandoned = internalMutation({
  args: {
    status: v.union(v.literal("claimed"), v.literal("running")),
    before: v.number(),
    cursor: v.union(v.string(), v.null())
  },
  handler: async (ctx, { status, before, cursor }): Promise<null> => {
    // A worker that was silent since then has claimed no younger turn.
    const { page, isDone, continueCursor } = await ctx.db
      .query("turns")
      .withIndex("by_status", (q) => q.eq("status", status).lt("_creationTime", before))
      .paginate({ numItems: MAX_PAGE, cursor })
    await endEach(ctx, page)
    if (!isDone) {
      const next = { status, before, cursor: continueCursor }
      await ctx.scheduler.runAfter(0, internal.maintenance.endAbandoned, next)
    }
    return null
  }
})

const trimmed = v.union(
  v.literal("deltas"),
  v.literal("pairings"),
  v.literal("pairingFailures"),
  v.literal("deviceCodes"),
  v.literal("quotas"),
  v.literal("commands"),
  v.literal("usedKeys"),
  v.literal("viewers"),
  v.literal("audit")
)
type Trimmed = Infer<typeof trimmed>

const olderThan = (ctx: MutationCtx, table: Trimmed, before: number) =>
  ctx.db
    .query(table)
    .withIndex("by_creation_time", (q) => q.lt("_creationTime", before))
    .take(TRIM_BATCH)

/** Schedules the end of abandoned turns and the trimming of each table. */
export const trimAll = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const before = Date.now() - SILENT_WORKER
    for (const status of ["claimed", "running"] as const) {
      await ctx.scheduler.runAfter(0, internal.maintenance.endAbandoned, { status, before, cursor: null })
    }
    await ctx.scheduler.runAfter(0, internal.pairing.recount, {})
    await ctx.scheduler.runAfter(0, internal.maintenance.trimRequests, {})
    await ctx.scheduler.runAfter(0, internal.maintenance.trimInbox, {})
    await ctx.scheduler.runAfter(0, internal.files.sweep, {})
    await ctx.scheduler.runAfter(0, internal.maintenance.splitSearchTexts, {})
    for (const { value: table } of trimmed.members) {
      await ctx.scheduler.runAfter(0, internal.maintenance.trim, { table })
    }
    return null
  }
})

/** Deletes rows of a table that are older than their retention. */
export const trim = internalMutation({
  args: { table: trimmed },
  handler: async (ctx, { table }): Promise<null> => {
    const rows = await olderThan(ctx, table, Date.now() - RETENTION[table])
    for (const row of rows) {
      // The worker did not execute the deletion for a month: the session is deleted here only.
      if ("command" in row && row.command.kind === "delete" && row.status === "queued") {
        await purgeSession(ctx, row.command.sessionId)
      }
      await ctx.db.delete(row._id)
    }
    if (rows.length === TRIM_BATCH) await ctx.scheduler.runAfter(0, internal.maintenance.trim, { table })
    return null
  }
})

/** Deletes an old closed request with its content, each in its own transaction. An open one waits for its turn. */
export const trimRequests = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const before = Date.now() - RETENTION.requests
    const oldest = await ctx.db
      .query("requests")
      .withIndex("by_open", (q) => q.eq("open", false).lt("_creationTime", before))
      .first()
    if (oldest === null) return null
    await deleteRequest(ctx, oldest._id)
    await ctx.scheduler.runAfter(0, internal.maintenance.trimRequests, {})
    return null
  }
})

/** Deletes old results of turns from the inbox, unless they are pinned. */
export const trimInbox = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const before = Date.now() - RETENTION.inbox
    let deleted = 0
    for (const kind of ["failed", "interrupted", "finished"] as const) {
      const items = await ctx.db
        .query("inbox")
        .withIndex("by_kind", (q) => q.eq("kind", kind).eq("pinned", false).lt("at", before))
        .take(MAX_PAGE)
      for (const item of items) await deleteItem(ctx, item)
      deleted = Math.max(deleted, items.length)
    }
    if (deleted === MAX_PAGE) await ctx.scheduler.runAfter(0, internal.maintenance.trimInbox, {})
    return null
  }
})

/** Replaces the search text of a turn that an earlier version wrote by one per kind. One turn per transaction: it reads all parts. */
export const splitSearchTexts = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const row = await ctx.db
      .query("searchTexts")
      .withIndex("by_kind", (q) => q.eq("kind", undefined))
      .first()
    if (row === null) return null
    const turn = await ctx.db.get(row.turnId)
    if (turn === null) {
      await ctx.db.delete(row._id)
    } else {
      await ctx.db.patch(row._id, { kind: "prompt", text: searchTextOfPrompt(await promptText(ctx, turn)) })
      if (turn.finished) await extendSearchText(ctx, turn._id, searchTextsOfParts(await allParts(ctx, turn._id)))
    }
    await ctx.scheduler.runAfter(0, internal.maintenance.splitSearchTexts, {})
    return null
  }
})

/**
 * The sessions that OpenCode has, as its worker tells them: made in its own terminal, renamed, worked on, deleted.
 *
 * Telling the same again changes nothing and writes nothing.
 *
 * @since 0.1.0
 */
import { type Infer, v } from "convex/values"
import type { Doc } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { checkCount, checkText, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"
import { purgeSession } from "./purge.ts"

const told = v.object({
  opencodeSessionId: v.string(),
  title: v.string(),
  /** Milliseconds of the worker's clock. */
  updatedAt: v.number(),
  /** The session here that it was made for, as its metadata says. A fork has the metadata of its origin. */
  madeFor: v.optional(v.string())
})

type WorkerCtx<Ctx> = Ctx & { readonly worker: Doc<"workers"> }

const cursorOf = (ctx: WorkerCtx<QueryCtx>) =>
  ctx.db
    .query("syncCursors")
    .withIndex("by_worker", (q) => q.eq("workerId", ctx.worker._id))
    .unique()

const known = (ctx: WorkerCtx<QueryCtx>, opencodeSessionId: string): Promise<Doc<"sessions"> | null> =>
  ctx.db
    .query("sessions")
    .withIndex("by_worker_opencode", (q) => q.eq("workerId", ctx.worker._id).eq("opencodeSessionId", opencodeSessionId))
    .first()

/** The session here that was waiting for this one of OpenCode's. */
const awaited = async (ctx: WorkerCtx<QueryCtx>, madeFor: string | undefined): Promise<Doc<"sessions"> | null> => {
  const sessionId = madeFor === undefined ? null : ctx.db.normalizeId("sessions", madeFor)
  const session = sessionId === null ? null : await ctx.db.get(sessionId)
  return session?.workerId === ctx.worker._id && session.opencodeSessionId === undefined ? session : null
}

const upsert = async (
  ctx: WorkerCtx<MutationCtx>,
  { madeFor, opencodeSessionId, title, updatedAt }: Infer<typeof told>
): Promise<void> => {
  const activity = Math.min(updatedAt, Date.now())
  const session = (await known(ctx, opencodeSessionId)) ?? (await awaited(ctx, madeFor))
  if (session === null) {
    await ctx.db.insert("sessions", {
      ownerId: ctx.worker.ownerId,
      workerId: ctx.worker._id,
      opencodeSessionId,
      title,
      titledBy: "opencode",
      origin: "opencode",
      status: "idle",
      lastActivityAt: activity,
      idempotencyKey: `opencode ${ctx.worker._id} ${opencodeSessionId}`
    })
    return
  }
  const retitled = session.titledBy !== "operator" && session.title !== title
  const active = activity > session.lastActivityAt
  if (!retitled && !active && session.opencodeSessionId === opencodeSessionId) return
  await ctx.db.patch(session._id, {
    opencodeSessionId,
    ...(retitled && { title, titledBy: "opencode" as const }),
    ...(active && { lastActivityAt: activity })
  })
}

/** Up to when (milliseconds of the worker's clock) the worker has told every change; 0: it has told nothing. */
export const watermark = workerQuery({
  args: {},
  handler: async (ctx) => (await cursorOf(ctx))?.watermark ?? 0
})

/** Takes up to 100 sessions, and with them the watermark up to which all is told then; absent: it stays. */
export const apply = workerMutation({
  args: { sessions: v.array(told), watermark: v.optional(v.number()) },
  handler: async (ctx, args) => {
    checkCount("sessions", args.sessions.length, MAX_SMALL_PAGE)
    for (const session of args.sessions) {
      checkText("opencodeSessionId", session.opencodeSessionId, MAX_NAME)
      checkText("title", session.title, MAX_NAME)
      await upsert(ctx, session)
    }
    if (args.watermark === undefined) return null
    const cursor = await cursorOf(ctx)
    if (cursor === null) await ctx.db.insert("syncCursors", { workerId: ctx.worker._id, watermark: args.watermark })
    else if (cursor.watermark < args.watermark) await ctx.db.patch(cursor._id, { watermark: args.watermark })
    return null
  }
})

/**
 * OpenCode has deleted up to 100 sessions. What came from there goes; a session that an operator made stays with its
 * turns, and its next prompt makes it anew in OpenCode.
 */
export const forget = workerMutation({
  args: { opencodeSessionIds: v.array(v.string()) },
  handler: async (ctx, { opencodeSessionIds }) => {
    checkCount("opencodeSessionIds", opencodeSessionIds.length, MAX_SMALL_PAGE)
    for (const opencodeSessionId of opencodeSessionIds) {
      const session = await known(ctx, opencodeSessionId)
      if (session === null || session.status === "deleting") continue
      if (session.origin === "opencode") {
        await ctx.db.patch(session._id, { status: "deleting" })
        await purgeSession(ctx, session._id)
      } else {
        await ctx.db.patch(session._id, { opencodeSessionId: undefined, lost: true })
      }
    }
    return null
  }
})

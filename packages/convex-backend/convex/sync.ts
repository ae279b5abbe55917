/**
 * The mirror of OpenCode's sessions: created in its own terminal, renamed, continued, deleted.
 *
 * Sending an unchanged session writes nothing.
 */
import type { WithoutSystemFields } from "convex/server"
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx } from "./_generated/server.ts"
import { sessionOfOpenCode, type WorkerCtx } from "./authorize.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkCount, checkText, MAX_LOOKUPS, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"
import { purgeSession } from "./purge.ts"

const opencodeSession = v.object({
  opencodeSessionId: v.string(),
  title: v.string(),
  /** Milliseconds of the worker's clock. */
  updatedAt: v.number(),
  /** The id of the session for which it was created, from its metadata. A fork has the metadata of its origin. */
  createdForSessionId: v.optional(v.string()),
  archived: v.optional(v.boolean()),
  /** OpenCode's id of the first undone message. */
  revertedFrom: v.optional(v.string())
})

const cursorOf = (ctx: WorkerCtx) =>
  ctx.db
    .query("syncCursors")
    .withIndex("by_worker", (q) => q.eq("workerId", ctx.worker._id))
    .unique()

/** The session for which this OpenCode session was created, if it is not linked yet. */
const findUnlinked = async (
  ctx: WorkerCtx,
  createdForSessionId: string | undefined
): Promise<Doc<"sessions"> | null> => {
  const sessionId = createdForSessionId === undefined ? null : ctx.db.normalizeId("sessions", createdForSessionId)
  const session = sessionId === null ? null : await ctx.db.get(sessionId)
  return session?.workerId === ctx.worker._id && session.opencodeSessionId === undefined ? session : null
}

/** `undefined` removes a mark. */
interface Marks {
  readonly archived: true | undefined
  readonly revertedFrom: string | undefined
}
type Patch = Partial<Omit<Doc<"sessions">, keyof Marks>> & Marks

/** A new row, or changed fields of an existing one. */
type Change =
  | { readonly insert: WithoutSystemFields<Doc<"sessions">> }
  | { readonly patch: Patch; readonly sessionId: Id<"sessions"> }

/**
 * The change for a session; `undefined` if there is none. A session that is being deleted is treated like any other one, because
 * the deletion may fail in OpenCode.
 */
const changeOf = async (
  ctx: WorkerCtx,
  { archived, createdForSessionId, opencodeSessionId, revertedFrom, title, updatedAt }: Infer<typeof opencodeSession>
): Promise<Change | undefined> => {
  const marks: Marks = { archived: archived === true ? true : undefined, revertedFrom }
  const activity = Math.min(updatedAt, Date.now())
  const session = (await sessionOfOpenCode(ctx, opencodeSessionId)) ?? (await findUnlinked(ctx, createdForSessionId))
  if (session === null) {
    return {
      insert: {
        ownerId: ctx.worker.ownerId,
        workerId: ctx.worker._id,
        opencodeSessionId,
        ...(marks.archived !== undefined && { archived: marks.archived }),
        ...(revertedFrom !== undefined && { revertedFrom }),
        title,
        titleSource: "opencode",
        origin: "opencode",
        status: "idle",
        lastActivityAt: activity
      }
    }
  }
  const retitled = session.titleSource !== "operator" && session.title !== title
  const active = activity > session.lastActivityAt
  const marked = session.archived !== marks.archived || session.revertedFrom !== revertedFrom
  if (!retitled && !active && !marked && session.opencodeSessionId === opencodeSessionId) return undefined
  return {
    sessionId: session._id,
    patch: {
      opencodeSessionId,
      ...marks,
      ...(retitled && { title, titleSource: "opencode" as const }),
      ...(active && { lastActivityAt: activity })
    }
  }
}

const upsert = async (ctx: WorkerCtx<MutationCtx>, session: Infer<typeof opencodeSession>): Promise<void> => {
  const change = await changeOf(ctx, session)
  if (change === undefined) return
  if ("insert" in change) await ctx.db.insert("sessions", change.insert)
  else await ctx.db.patch(change.sessionId, change.patch)
}

const checkSessions = (sessions: ReadonlyArray<Infer<typeof opencodeSession>>, max: number): void => {
  checkCount("sessions", sessions.length, max)
  for (const { createdForSessionId = "", opencodeSessionId, revertedFrom = "", title } of sessions) {
    checkText("opencodeSessionId", opencodeSessionId, MAX_NAME)
    checkText("title", title, MAX_NAME)
    checkText("createdForSessionId", createdForSessionId, MAX_NAME, 0)
    checkText("revertedFrom", revertedFrom, MAX_NAME, 0)
  }
}

/** The time (milliseconds of the worker's clock) up to which all changes are synced; 0 if nothing is. */
export const watermark = workerQuery({
  args: {},
  handler: async (ctx) => (await cursorOf(ctx))?.watermark ?? 0
})

/**
 * Returns the OpenCode ids of those of up to 1,000 sessions that differ from the deployment. After a restart the worker
 * sends only these.
 */
export const diff = workerQuery({
  args: { sessions: v.array(opencodeSession) },
  handler: async (ctx, { sessions }) => {
    checkSessions(sessions, MAX_LOOKUPS)
    const ids: Array<string> = []
    // In batches: Convex limits the concurrent reads of a function.
    for (let from = 0; from < sessions.length; from += MAX_SMALL_PAGE) {
      const some = sessions.slice(from, from + MAX_SMALL_PAGE)
      const changes = await Promise.all(some.map((session) => changeOf(ctx, session)))
      ids.push(...some.filter((_, at) => changes[at] !== undefined).map(({ opencodeSessionId }) => opencodeSessionId))
    }
    return ids
  }
})

/** Stores one session, and returns the id of its mirror. A fork that the worker created is known at once by this. */
export const adopt = workerMutation({
  args: { session: opencodeSession },
  handler: async (ctx, { session }) => {
    checkSessions([session], 1)
    await upsert(ctx, session)
    const known = await sessionOfOpenCode(ctx, session.opencodeSessionId)
    if (known === null) throw appError("NotFound", "The session was not stored")
    return known._id
  }
})

/** Stores up to 100 sessions, and the watermark up to which all changes are synced afterwards, if given. */
export const apply = workerMutation({
  args: { sessions: v.array(opencodeSession), watermark: v.optional(v.number()) },
  handler: async (ctx, args) => {
    checkSessions(args.sessions, MAX_SMALL_PAGE)
    for (const session of args.sessions) await upsert(ctx, session)
    if (args.watermark === undefined) return null
    const cursor = await cursorOf(ctx)
    if (cursor === null) await ctx.db.insert("syncCursors", { workerId: ctx.worker._id, watermark: args.watermark })
    else if (cursor.watermark < args.watermark) await ctx.db.patch(cursor._id, { watermark: args.watermark })
    return null
  }
})

/**
 * Removes up to 100 sessions that were deleted in OpenCode. A session that an operator created stays with its turns; its
 * next prompt creates a new OpenCode session.
 */
export const removeDeleted = workerMutation({
  args: { opencodeSessionIds: v.array(v.string()) },
  handler: async (ctx, { opencodeSessionIds }) => {
    checkCount("opencodeSessionIds", opencodeSessionIds.length, MAX_SMALL_PAGE)
    for (const opencodeSessionId of opencodeSessionIds) {
      const session = await sessionOfOpenCode(ctx, opencodeSessionId)
      if (session === null || session.status === "deleting") continue
      if (session.origin === "opencode") {
        await ctx.db.patch(session._id, { status: "deleting" })
        await purgeSession(ctx, session._id)
      } else {
        await ctx.db.patch(session._id, { opencodeSessionId: undefined, historyLost: true })
      }
    }
    return null
  }
})

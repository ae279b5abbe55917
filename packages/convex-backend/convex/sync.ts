/**
 * The sessions that OpenCode has, as its worker tells them: made in its own terminal, renamed, worked on, deleted.
 *
 * Telling the same again changes nothing and writes nothing.
 *
 * @since 0.1.0
 */
import type { WithoutSystemFields } from "convex/server"
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { workerMutation, workerQuery } from "./builders.ts"
import { checkCount, checkText, MAX_LOOKUPS, MAX_NAME, MAX_SMALL_PAGE } from "./limits.ts"
import { purgeSession, purgeTurn } from "./purge.ts"

const told = v.object({
  opencodeSessionId: v.string(),
  title: v.string(),
  /** Milliseconds of the worker's clock. */
  updatedAt: v.number(),
  /** The session here that it was made for, as its metadata says. A fork has the metadata of its origin. */
  madeFor: v.optional(v.string()),
  archived: v.optional(v.boolean()),
  /** OpenCode's id of the first message that it has undone. */
  revertedFrom: v.optional(v.string())
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

/** Undefined takes a mark away. */
interface Marks {
  readonly archived: true | undefined
  readonly revertedFrom: string | undefined
}
type Patch = Partial<Omit<Doc<"sessions">, keyof Marks>> & Marks

/** A new row, or fields of one that is there. */
type Change =
  | { readonly insert: WithoutSystemFields<Doc<"sessions">> }
  | { readonly patch: Patch; readonly sessionId: Id<"sessions"> }

/**
 * What telling a session changes; undefined: nothing. One that its operator deletes is as any other, because that may fail
 * in OpenCode and leave it in use.
 */
const changeOf = async (
  ctx: WorkerCtx<QueryCtx>,
  { archived, madeFor, opencodeSessionId, revertedFrom, title, updatedAt }: Infer<typeof told>
): Promise<Change | undefined> => {
  const marks: Marks = { archived: archived === true ? true : undefined, revertedFrom }
  const activity = Math.min(updatedAt, Date.now())
  const session = (await known(ctx, opencodeSessionId)) ?? (await awaited(ctx, madeFor))
  if (session === null) {
    return {
      insert: {
        ownerId: ctx.worker.ownerId,
        workerId: ctx.worker._id,
        opencodeSessionId,
        ...(marks.archived !== undefined && { archived: marks.archived }),
        ...(revertedFrom !== undefined && { revertedFrom }),
        title,
        titledBy: "opencode",
        origin: "opencode",
        status: "idle",
        lastActivityAt: activity
      }
    }
  }
  const retitled = session.titledBy !== "operator" && session.title !== title
  const active = activity > session.lastActivityAt
  const marked = session.archived !== marks.archived || session.revertedFrom !== revertedFrom
  if (!retitled && !active && !marked && session.opencodeSessionId === opencodeSessionId) return undefined
  return {
    sessionId: session._id,
    patch: {
      opencodeSessionId,
      ...marks,
      ...(retitled && { title, titledBy: "opencode" as const }),
      ...(active && { lastActivityAt: activity })
    }
  }
}

const upsert = async (ctx: WorkerCtx<MutationCtx>, session: Infer<typeof told>): Promise<void> => {
  const change = await changeOf(ctx, session)
  if (change === undefined) return
  if ("insert" in change) await ctx.db.insert("sessions", change.insert)
  else await ctx.db.patch(change.sessionId, change.patch)
}

const checkTold = (sessions: ReadonlyArray<Infer<typeof told>>, max: number): void => {
  checkCount("sessions", sessions.length, max)
  for (const { madeFor = "", opencodeSessionId, revertedFrom = "", title } of sessions) {
    checkText("opencodeSessionId", opencodeSessionId, MAX_NAME)
    checkText("title", title, MAX_NAME)
    checkText("madeFor", madeFor, MAX_NAME, 0)
    checkText("revertedFrom", revertedFrom, MAX_NAME, 0)
  }
}

/** Up to when (milliseconds of the worker's clock) the worker has told every change; 0: it has told nothing. */
export const watermark = workerQuery({
  args: {},
  handler: async (ctx) => (await cursorOf(ctx))?.watermark ?? 0
})

/**
 * Of up to 1,000 sessions, the OpenCode ids of those that `apply` would change something for. A process that does not know
 * what an earlier one has told asks this, and tells only these.
 */
export const outdated = workerQuery({
  args: { sessions: v.array(told) },
  handler: async (ctx, { sessions }) => {
    checkTold(sessions, MAX_LOOKUPS)
    const ids: Array<string> = []
    // Not all at once: Convex bounds what a function may have under way.
    for (let from = 0; from < sessions.length; from += MAX_SMALL_PAGE) {
      const some = sessions.slice(from, from + MAX_SMALL_PAGE)
      const changes = await Promise.all(some.map((session) => changeOf(ctx, session)))
      ids.push(...some.filter((_, at) => changes[at] !== undefined).map(({ opencodeSessionId }) => opencodeSessionId))
    }
    return ids
  }
})

/** Takes up to 100 sessions, and with them the watermark up to which all is told then; absent: it stays. */
export const apply = workerMutation({
  args: { sessions: v.array(told), watermark: v.optional(v.number()) },
  handler: async (ctx, args) => {
    checkTold(args.sessions, MAX_SMALL_PAGE)
    for (const session of args.sessions) await upsert(ctx, session)
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

/**
 * OpenCode has removed up to 100 messages. The turns go whose prompts they were; one that has not ended stays, because its
 * worker will end it.
 */
export const forgetPrompts = workerMutation({
  args: { messages: v.array(v.object({ opencodeSessionId: v.string(), messageId: v.string() })) },
  handler: async (ctx, { messages }) => {
    checkCount("messages", messages.length, MAX_SMALL_PAGE)
    for (const { messageId, opencodeSessionId } of messages) {
      checkText("messageId", messageId, MAX_NAME)
      checkText("opencodeSessionId", opencodeSessionId, MAX_NAME)
      const session = await known(ctx, opencodeSessionId)
      if (session === null) continue
      const turn = await ctx.db
        .query("turns")
        .withIndex("by_session_message", (q) => q.eq("sessionId", session._id).eq("messageId", messageId))
        .first()
      if (turn?.finished === true) await purgeTurn(ctx, turn._id)
    }
    return null
  }
})

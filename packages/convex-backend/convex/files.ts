/**
 * Uploads and downloads of the files of turns. The content goes directly to and from Convex storage.
 */
import { v } from "convex/values"
import { internal } from "./_generated/api.ts"
import type { Doc } from "./_generated/dataModel.ts"
import { internalMutation, type MutationCtx, type QueryCtx } from "./_generated/server.ts"
import { checkRoom, checkSize, checkType, contentTypeOf, filesOf, hasRoom, isMarked, isUsed } from "./attachments.ts"
import { assignedTurn, ownedTurn } from "./authorize.ts"
import { operatorMutation, operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { MAX_FILE, TRIM_BATCH, UNUSED_UPLOAD } from "./limits.ts"

/** `POST` the content there with this `Content-Type`. The response is JSON: `{ storageId }`. */
const upload = async (ctx: MutationCtx, type: string) => ({
  url: await ctx.storage.generateUploadUrl(),
  contentType: contentTypeOf(type)
})

const toFileView = async (ctx: QueryCtx, { name, origin, size, storageId, type }: Doc<"files">) => ({
  storageId,
  name,
  type,
  size,
  origin,
  /** Valid as long as the file; null if the file was deleted from the storage. */
  url: await ctx.storage.getUrl(storageId)
})

/**
 * A URL for the upload of one file. `type`: its media type, such as `image/png`; `size`: bytes. Pass the `storageId` of the
 * response to `turns.send` within a day: unused uploads are deleted then.
 */
export const uploadUrl = operatorMutation({
  args: { type: v.string(), size: v.number() },
  handler: async (ctx, { type, size }) => {
    checkType("type", type)
    checkSize("The file", size)
    await checkRoom(ctx, ctx.operator, size)
    return upload(ctx, type)
  }
})

/** The files of a turn: those of its prompt (`operator`), then those that the agent produced (`agent`). */
export const list = operatorQuery({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    await ownedTurn(ctx, turnId)
    const files = [...(await filesOf(ctx, turnId, "operator")), ...(await filesOf(ctx, turnId, "agent"))]
    return Promise.all(files.map((file) => toFileView(ctx, file)))
  }
})

/** The files of a prompt, for the process that has claimed its turn. */
export const forTurn = workerQuery({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const { epoch, status } = await assignedTurn(ctx, turnId)
    if (status !== "claimed" || epoch !== ctx.worker.epoch) {
      throw appError("Conflict", `The files of a turn that is ${status} in epoch ${epoch ?? "none"} are not readable`)
    }
    const files = await filesOf(ctx, turnId, "operator")
    return Promise.all(files.map((file) => toFileView(ctx, file)))
  }
})

/** A URL for the upload of a file that the agent produced. Null if a limit is exceeded: the file is not stored then. */
export const agentUploadUrl = workerMutation({
  args: { type: v.string(), size: v.number() },
  handler: async (ctx, { type, size }) => {
    checkType("type", type)
    return size <= MAX_FILE && (await hasRoom(ctx, ctx.worker.ownerId, size)) ? upload(ctx, type) : null
  }
})

/** Deletes uploads that no turn refers to after a day. Files that other modules store have no mark, and are left alone. */
export const sweep = internalMutation({
  args: {},
  handler: async (ctx): Promise<null> => {
    const progress = await ctx.db.query("fileSweeps").first()
    const stored = await ctx.db.system
      .query("_storage")
      .withIndex("by_creation_time", (q) =>
        q.gt("_creationTime", progress?.checkedUntil ?? 0).lt("_creationTime", Date.now() - UNUSED_UPLOAD)
      )
      .take(TRIM_BATCH)
    for (const { _id, contentType } of stored) {
      if (isMarked(contentType) && !(await isUsed(ctx, _id))) await ctx.storage.delete(_id)
    }
    const last = stored.at(-1)
    if (last === undefined) return null
    const checkedUntil = last._creationTime
    if (progress === null) await ctx.db.insert("fileSweeps", { checkedUntil })
    else await ctx.db.patch(progress._id, { checkedUntil })
    if (stored.length === TRIM_BATCH) await ctx.scheduler.runAfter(0, internal.files.sweep, {})
    return null
  }
})

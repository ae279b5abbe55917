/**
 * The files that turns changed. They are stored when a turn ends; an undo compares them with the files as they are then.
 */
import { type Infer, v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { assignedTurn, ownedTurn } from "./authorize.ts"
import { operatorQuery, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkCount, checkText, MAX_CHANGED_FILES, MAX_NAME, MAX_PATCH, MAX_UNDONE_TURNS } from "./limits.ts"
import { fileChange } from "./validators.ts"

export const turnChanges = v.object({ files: v.array(fileChange), patch: v.string(), truncated: v.boolean() })

export const checkChanges = ({ files, patch }: Infer<typeof turnChanges>): void => {
  checkCount("changes.files", files.length, MAX_CHANGED_FILES)
  for (const { file, hash } of files) {
    checkText("changes.files.file", file, MAX_NAME)
    checkText("changes.files.hash", hash ?? "", MAX_NAME, 0)
  }
  checkText("changes.patch", patch, MAX_PATCH, 0)
}

export const insertChanges = async (
  ctx: MutationCtx,
  turnId: Id<"turns">,
  { files, patch, truncated }: Infer<typeof turnChanges>
): Promise<void> => {
  await ctx.db.insert("changes", { turnId, files, truncated })
  if (patch !== "") await ctx.db.insert("patches", { turnId, text: patch })
}

const changesOf = (ctx: QueryCtx, turnId: Id<"turns">): Promise<Doc<"changes"> | null> =>
  ctx.db
    .query("changes")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .unique()

const patchOf = (ctx: QueryCtx, turnId: Id<"turns">): Promise<Doc<"patches"> | null> =>
  ctx.db
    .query("patches")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .unique()

export const deleteChanges = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  for (const row of [await changesOf(ctx, turnId), await patchOf(ctx, turnId)]) {
    if (row !== null) await ctx.db.delete(row._id)
  }
}

/** The files that a turn changed, with a unified patch; null if it changed none, or has not ended. */
export const get = operatorQuery({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    await ownedTurn(ctx, turnId)
    const row = await changesOf(ctx, turnId)
    return row && { files: row.files, truncated: row.truncated, patch: (await patchOf(ctx, turnId))?.text ?? "" }
  }
})

/**
 * The changes that undoing a turn takes back: those of the turn and of all later ones of its session (at most 40 together),
 * in their order. `files`: null if the turn's changes are not known.
 */
export const since = workerQuery({
  args: { turnId: v.id("turns") },
  handler: async (ctx, { turnId }) => {
    const { messageId, seq, sessionId } = await assignedTurn(ctx, turnId)
    const turns = await ctx.db
      .query("turns")
      .withIndex("by_session", (q) => q.eq("sessionId", sessionId).gte("seq", seq))
      .take(MAX_UNDONE_TURNS + 1)
    if (turns.length > MAX_UNDONE_TURNS) {
      throw appError("Conflict", `At most ${MAX_UNDONE_TURNS} turns are undone at once: choose a later turn`)
    }
    const changes = await Promise.all(turns.map(({ _id }) => changesOf(ctx, _id)))
    return { messageId: messageId ?? null, changes: changes.flatMap((row) => (row === null ? [] : [row.files])) }
  }
})

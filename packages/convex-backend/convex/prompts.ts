/**
 * The text of prompts. It is in a row of its own, so that lists and live queries do not read it; a turn has its head.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_HEAD } from "./limits.ts"
import { headOf } from "./payloads.ts"
import { insertSearchText, replaceSearchText } from "./search.ts"
import { moveLoad } from "./workerLoad.ts"

/** The fields of a turn that describe its prompt. */
export const promptFields = (text: string): Pick<Doc<"turns">, "head" | "length"> => ({
  head: headOf(text, MAX_HEAD),
  length: text.length
})

const rowOf = (ctx: QueryCtx, turnId: Id<"turns">): Promise<Doc<"prompts"> | null> =>
  ctx.db
    .query("prompts")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .unique()

/** The whole text of a prompt. */
export const promptText = async (ctx: QueryCtx, turn: Doc<"turns">): Promise<string> =>
  turn.head.length === turn.length ? turn.head : ((await rowOf(ctx, turn._id))?.text ?? turn.head)

/** The prompt, as a claim returns it: it may be edited until then. */
export const promptOf = async (ctx: QueryCtx, turn: Doc<"turns">) => ({
  text: await promptText(ctx, turn),
  model: turn.model ?? null,
  agent: turn.agent ?? null,
  variant: turn.variant ?? null,
  /** The command of OpenCode that the text begins with, as `/name arguments`. */
  command: turn.command ?? null,
  budget: turn.budget ?? null,
  /** Read them with `files.forTurn`. */
  fileCount: turn.fileCount ?? 0
})

/** Inserts a turn with its prompt. */
export const insertTurn = async (
  ctx: MutationCtx,
  { text, ...turn }: Omit<Doc<"turns">, "_id" | "_creationTime" | "head" | "length"> & { readonly text: string }
): Promise<Id<"turns">> => {
  const fields = promptFields(text)
  const turnId = await ctx.db.insert("turns", { ...turn, ...fields })
  await moveLoad(ctx, turn.workerId, null, turn.status)
  if (fields.length > fields.head.length) await ctx.db.insert("prompts", { turnId, text })
  const { askedAt, ownerId, sessionId, workerId } = turn
  await insertSearchText(ctx, { ownerId, workerId, sessionId, turnId, at: askedAt ?? Date.now(), prompt: text })
  return turnId
}

export const deletePrompt = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  const row = await rowOf(ctx, turnId)
  if (row !== null) await ctx.db.delete(row._id)
}

/** Replaces the text of a turn that is not claimed. */
export const replacePrompt = async (ctx: MutationCtx, turnId: Id<"turns">, text: string): Promise<void> => {
  const fields = promptFields(text)
  await ctx.db.patch(turnId, fields)
  await replaceSearchText(ctx, turnId, text)
  await deletePrompt(ctx, turnId)
  if (fields.length > fields.head.length) await ctx.db.insert("prompts", { turnId, text })
}

/**
 * Full text search over the turns of an operator. Each turn has one small row with the text by which it is found, written
 * when it is sent and extended when it ends.
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { operatorQuery } from "./builders.ts"
import { checkText, MAX_SEARCH_RESULTS, MAX_SEARCH } from "./limits.ts"
import { searchTextOfPrompt, snippetOf } from "./searchText.ts"

const rowOf = (ctx: QueryCtx, turnId: Id<"turns">): Promise<Doc<"searchTexts"> | null> =>
  ctx.db
    .query("searchTexts")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .unique()

/** Makes the prompt of a new turn searchable. */
export const insertSearchText = async (
  ctx: MutationCtx,
  { prompt, ...row }: Omit<Doc<"searchTexts">, "_id" | "_creationTime" | "text"> & { readonly prompt: string }
): Promise<void> => {
  await ctx.db.insert("searchTexts", { ...row, text: searchTextOfPrompt(prompt) })
}

/** Replaces the searchable prompt of a turn that has not ended. */
export const replaceSearchText = async (ctx: MutationCtx, turnId: Id<"turns">, prompt: string): Promise<void> => {
  const row = await rowOf(ctx, turnId)
  if (row !== null) await ctx.db.patch(row._id, { text: searchTextOfPrompt(prompt) })
}

/** Makes the answer of a turn searchable, once, when it ends. */
export const extendSearchText = async (ctx: MutationCtx, turnId: Id<"turns">, answer: string): Promise<void> => {
  const row = answer === "" ? null : await rowOf(ctx, turnId)
  if (row !== null) await ctx.db.patch(row._id, { text: `${row.text}\n${answer}` })
}

export const deleteSearchText = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  const row = await rowOf(ctx, turnId)
  if (row !== null) await ctx.db.delete(row._id)
}

/**
 * Your turns whose prompt, answer, or titles and paths of tool calls contain words of `text` (1 to 200 characters), the best
 * match first, at most 50. The last word is also found as the start of a longer one. Very long texts are found by their
 * beginning. `snippet`: one line of at most 200 characters around the first match.
 */
export const find = operatorQuery({
  args: { text: v.string(), workerId: v.optional(v.id("workers")), sessionId: v.optional(v.id("sessions")) },
  handler: async (ctx, { text, workerId, sessionId }) => {
    checkText("text", text, MAX_SEARCH)
    const rows = await ctx.db
      .query("searchTexts")
      .withSearchIndex("by_text", (q) => {
        const own = q.search("text", text).eq("ownerId", ctx.operator)
        const ofWorker = workerId === undefined ? own : own.eq("workerId", workerId)
        return sessionId === undefined ? ofWorker : ofWorker.eq("sessionId", sessionId)
      })
      .take(MAX_SEARCH_RESULTS)
    const ids = [...new Set(rows.map((row) => row.sessionId))]
    const sessions = new Map(await Promise.all(ids.map(async (id) => [id, await ctx.db.get(id)] as const)))
    return rows.flatMap((row) => {
      const session = sessions.get(row.sessionId)
      if (session === undefined || session === null || session.status === "deleting") return []
      return [
        {
          sessionId: row.sessionId,
          turnId: row.turnId,
          workerId: row.workerId,
          title: session.title,
          at: row.at,
          snippet: snippetOf(row.text, text)
        }
      ]
    })
  }
})

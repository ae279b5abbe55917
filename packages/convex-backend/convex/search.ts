/**
 * Full text search over the turns of an operator. Each turn has a few small rows with the texts by which it is found, one per
 * kind: that of the prompt is written when it is sent, the others when the turn ends.
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { operatorQuery } from "./builders.ts"
import { checkText, MAX_SEARCH_RESULTS, MAX_SEARCH, SEARCHED } from "./limits.ts"
import { searchTextOfPrompt, type SearchText, snippetOf } from "./searchText.ts"
import { searchKind } from "./validators.ts"

/** Rows of one turn. */
const kinds = Object.keys(SEARCHED).length

const rowsOf = (ctx: QueryCtx, turnId: Id<"turns">): Promise<Array<Doc<"searchTexts">>> =>
  ctx.db
    .query("searchTexts")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId))
    .take(kinds)

/** Makes the prompt of a new turn searchable. */
export const insertSearchText = async (
  ctx: MutationCtx,
  { prompt, ...row }: Omit<Doc<"searchTexts">, "_id" | "_creationTime" | "kind" | "text"> & { readonly prompt: string }
): Promise<void> => {
  await ctx.db.insert("searchTexts", { ...row, kind: "prompt", text: searchTextOfPrompt(prompt) })
}

/** Replaces the searchable prompt of a turn that has not ended, and has no other row. */
export const replaceSearchText = async (ctx: MutationCtx, turnId: Id<"turns">, prompt: string): Promise<void> => {
  const [row] = await rowsOf(ctx, turnId)
  if (row !== undefined) await ctx.db.patch(row._id, { kind: "prompt", text: searchTextOfPrompt(prompt) })
}

/** Makes the answer of a turn searchable, once, when it ends. */
export const extendSearchText = async (
  ctx: MutationCtx,
  turnId: Id<"turns">,
  texts: ReadonlyArray<SearchText>
): Promise<void> => {
  if (texts.length === 0) return
  const [row] = await rowsOf(ctx, turnId)
  if (row === undefined) return
  const { at, ownerId, sessionId, workerId } = row
  // Of an earlier version: until the end of the turn it has only the prompt.
  if (row.kind === undefined) await ctx.db.patch(row._id, { kind: "prompt" })
  for (const each of texts) await ctx.db.insert("searchTexts", { ownerId, workerId, sessionId, turnId, at, ...each })
}

/** Replaces all searchable texts of a turn that has ended. */
export const rewriteSearchText = async (
  ctx: MutationCtx,
  turnId: Id<"turns">,
  prompt: string,
  texts: ReadonlyArray<SearchText>
): Promise<void> => {
  const [row] = await rowsOf(ctx, turnId)
  if (row === undefined) return
  const { at, ownerId, sessionId, workerId } = row
  await deleteSearchText(ctx, turnId)
  await insertSearchText(ctx, { ownerId, workerId, sessionId, turnId, at, prompt })
  await extendSearchText(ctx, turnId, texts)
}

export const deleteSearchText = async (ctx: MutationCtx, turnId: Id<"turns">): Promise<void> => {
  for (const { _id } of await rowsOf(ctx, turnId)) await ctx.db.delete(_id)
}

/**
 * Your turns whose prompt, answer, or titles and paths of tool calls contain words of `text` (1 to 200 characters), the best
 * match first, at most 50, each once. `kind`: only by this part of a turn. The last word is also found as the start of a
 * longer one. Very long texts are found by their beginning. A result has the kind that matches best (null for a turn of an
 * earlier version, until maintenance has run), and a `snippet`: one line of at most 200 characters around the first match.
 */
export const find = operatorQuery({
  args: {
    text: v.string(),
    kind: v.optional(searchKind),
    workerId: v.optional(v.id("workers")),
    sessionId: v.optional(v.id("sessions"))
  },
  handler: async (ctx, { text, kind, workerId, sessionId }) => {
    checkText("text", text, MAX_SEARCH)
    const matches = await ctx.db
      .query("searchTexts")
      .withSearchIndex("by_text", (q) => {
        const own = q.search("text", text).eq("ownerId", ctx.operator)
        const ofWorker = workerId === undefined ? own : own.eq("workerId", workerId)
        const ofSession = sessionId === undefined ? ofWorker : ofWorker.eq("sessionId", sessionId)
        return kind === undefined ? ofSession : ofSession.eq("kind", kind)
      })
      .take(kind === undefined ? MAX_SEARCH_RESULTS * kinds : MAX_SEARCH_RESULTS)
    const best = new Map(matches.toReversed().map((row) => [row.turnId, row]))
    const rows = matches.filter((row) => best.get(row.turnId) === row).slice(0, MAX_SEARCH_RESULTS)
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
          kind: row.kind ?? null,
          snippet: snippetOf(row.text, text)
        }
      ]
    })
  }
})

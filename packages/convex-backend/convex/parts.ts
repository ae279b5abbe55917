/**
 * The final parts of turns, and their outline. They are written once, when a turn ends.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_PART_CHUNKS, MAX_PARTS } from "./limits.ts"
import { type OutlineEntry, outlineOf } from "./outline.ts"
import { extendSearchText } from "./search.ts"
import { type SearchText, searchTextsOfParts } from "./searchText.ts"
import { joinParts, mayGoOn, type Part, type PartRow, splitParts } from "./payloads.ts"

export interface Content {
  readonly rows: ReadonlyArray<PartRow>
  readonly outline: ReadonlyArray<OutlineEntry>
  /** The texts by which a search finds them. */
  readonly searchTexts: ReadonlyArray<SearchText>
}

/** The rows of a turn's parts. Rejects parts that cannot be written or read in one transaction. */
export const contentOf = (parts: ReadonlyArray<Part>): Content => ({
  rows: splitParts(parts),
  outline: outlineOf(parts),
  searchTexts: searchTextsOfParts(parts)
})

/** The turn's `parts` must be the length of the outline. */
export const insertContent = async (ctx: MutationCtx, turnId: Id<"turns">, content: Content): Promise<void> => {
  for (const row of content.rows) await ctx.db.insert("parts", { turnId, ...row })
  for (const entry of content.outline) await ctx.db.insert("outlines", { turnId, ...entry })
  await extendSearchText(ctx, turnId, content.searchTexts)
}

/** All parts of a turn: at most 9 MB. */
export const allParts = async (ctx: QueryCtx, turnId: Id<"turns">): Promise<Array<Part>> =>
  joinParts(
    await ctx.db
      .query("parts")
      .withIndex("by_turn", (q) => q.eq("turnId", turnId))
      .take(MAX_PARTS + MAX_PART_CHUNKS)
  )

/** The whole part that begins with `first`, and its further rows. */
export const wholePart = async (ctx: QueryCtx, first: Doc<"parts">): Promise<Array<Part>> => {
  const further = mayGoOn(first)
    ? await ctx.db
        .query("parts")
        .withIndex("by_turn", (q) => q.eq("turnId", first.turnId).eq("index", first.index).gt("chunk", 0))
        .take(MAX_PART_CHUNKS)
    : []
  return joinParts([first, ...further])
}

/** The part with this index, or null. */
export const partAt = async (ctx: QueryCtx, turnId: Id<"turns">, index: number): Promise<Part | null> => {
  const first = await ctx.db
    .query("parts")
    .withIndex("by_turn", (q) => q.eq("turnId", turnId).eq("index", index).eq("chunk", 0))
    .unique()
  return first === null ? null : ((await wholePart(ctx, first))[0] ?? null)
}

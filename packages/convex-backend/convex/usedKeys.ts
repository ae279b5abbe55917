/** Keys of operators whose rows are deleted. A command that is repeated after the deletion must not start its work again. */
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"

/** `within`: the operator for sessions, the session for prompts. */
export const rememberKey = async (ctx: MutationCtx, within: string, key: string | undefined): Promise<void> => {
  if (key !== undefined) await ctx.db.insert("usedKeys", { within, key })
}

/** Rejects a key whose row was deleted. `what`: in the message. */
export const checkUnused = async (ctx: QueryCtx, within: string, key: string, what: string): Promise<void> => {
  const used = await ctx.db
    .query("usedKeys")
    .withIndex("by_within_key", (q) => q.eq("within", within).eq("key", key))
    .first()
  if (used !== null) throw keyOfDeleted(what)
}

export const keyOfDeleted = (what: string) =>
  appError("NotFound", `The ${what} of this idempotencyKey was deleted, and is not created again: use a new one`)

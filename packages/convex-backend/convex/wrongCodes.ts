/** Limits guesses of pairing codes: one row per operator counts wrong codes in a window. */
import type { MutationCtx } from "./_generated/server.ts"
import type { ErrorData } from "./errors.ts"
import { MAX_WRONG_CODES, WRONG_CODES_WINDOW } from "./limits.ts"

/** The count, and the milliseconds that are left of its window. */
const countOf = async (ctx: MutationCtx, operatorId: string) => {
  const counted = await ctx.db
    .query("pairingFailures")
    .withIndex("by_operator", (q) => q.eq("operatorId", operatorId))
    .unique()
  return { counted, left: counted === null ? 0 : counted.since + WRONG_CODES_WINDOW - Date.now() }
}

/** The error for an operator whose codes are all refused now, or null. */
export const tooManyWrongCodes = async (ctx: MutationCtx, operatorId: string): Promise<ErrorData | null> => {
  const { counted, left } = await countOf(ctx, operatorId)
  if (counted === null || left <= 0 || counted.count < MAX_WRONG_CODES) return null
  const minutes = Math.ceil(left / 60_000)
  return { code: "RateLimited", message: `${MAX_WRONG_CODES} codes were wrong: try again in ${minutes} min` }
}

export const countWrongCode = async (ctx: MutationCtx, operatorId: string): Promise<void> => {
  const { counted, left } = await countOf(ctx, operatorId)
  if (counted !== null && left > 0) return ctx.db.patch(counted._id, { count: counted.count + 1 })
  if (counted !== null) await ctx.db.delete(counted._id)
  await ctx.db.insert("pairingFailures", { operatorId, since: Date.now(), count: 1 })
}

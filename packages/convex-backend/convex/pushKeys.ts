/** The key by which push services know the deployment: one row. A new key would end all subscriptions. */
import { v } from "convex/values"
import { internalMutation, internalQuery, type QueryCtx } from "./_generated/server.ts"
import type { VapidKey } from "./webPush.ts"

const keyOf = async (ctx: QueryCtx): Promise<VapidKey | null> => {
  const row = await ctx.db.query("pushKeys").first()
  return row && { privateKey: row.privateKey, publicKey: row.publicKey }
}

export const stored = internalQuery({ args: {}, handler: keyOf })

/** Stores the key if there is none yet, and returns the stored one. */
export const store = internalMutation({
  args: { privateKey: v.string(), publicKey: v.string() },
  handler: async (ctx, key): Promise<VapidKey> => {
    const existing = await keyOf(ctx)
    if (existing === null) await ctx.db.insert("pushKeys", key)
    return existing ?? key
  }
})

/** Notes of a signed-in person, whose functions fail in every way that the client distinguishes. */
import {
  actionGeneric as action,
  anyApi,
  type ApiFromModules,
  type Auth,
  mutationGeneric as mutation,
  queryGeneric as query
} from "convex/server"
import { ConvexError, v } from "convex/values"

const ownerOf = async ({ auth }: { readonly auth: Auth }) => {
  const identity = await auth.getUserIdentity()
  if (identity === null) throw new ConvexError({ code: "Unauthenticated", message: "Sign in" })
  return identity.tokenIdentifier
}

/** At most 1,000 keys, in the order of insertion. */
export const list = query({
  args: {},
  handler: async (ctx): Promise<ReadonlyArray<string>> => {
    const owner = await ownerOf(ctx)
    const notes = await ctx.db
      .query("notes")
      .withIndex("by_owner", (q) => q.eq("owner", owner))
      .take(1_000)
    return notes.map(({ key }) => String(key))
  }
})

/** The same key adds one note. */
export const add = mutation({
  args: { key: v.string(), text: v.optional(v.string()) },
  handler: async (ctx, { key }) => {
    const owner = await ownerOf(ctx)
    const existing = await ctx.db
      .query("notes")
      .withIndex("by_owner", (q) => q.eq("owner", owner))
      .filter((q) => q.eq(q.field("key"), key))
      .first()
    return existing?._id ?? ctx.db.insert("notes", { owner, key })
  }
})

/** Needs no identity. */
export const ping = mutation({ args: {}, handler: () => Promise.resolve("pong") })

/** Fails once the person has a note. */
export const none = query({
  args: {},
  handler: async (ctx) => {
    const owner = await ownerOf(ctx)
    const note = await ctx.db
      .query("notes")
      .withIndex("by_owner", (q) => q.eq("owner", owner))
      .first()
    if (note !== null) throw new ConvexError({ code: "NotEmpty", message: "There are notes" })
    return null
  }
})

export const refuse = action({
  args: { data: v.any() },
  handler: (_ctx, { data }): Promise<null> => {
    throw new ConvexError(data)
  }
})

export const withSecret = mutation({
  args: { id: v.id("notes"), secret: v.string() },
  handler: () => Promise.resolve(null)
})

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `anyApi` creates any reference
export const api = anyApi as unknown as ApiFromModules<{
  notes: {
    add: typeof add
    list: typeof list
    none: typeof none
    ping: typeof ping
    refuse: typeof refuse
    withSecret: typeof withSecret
  }
}>

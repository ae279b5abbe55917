/**
 * The items that wait for an operator, over all workers: open requests, results of turns, and workers that are gone.
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { approverMutation, operatorQuery, type OperatorCaller, readerMutation } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkCount, MAX_INBOX, MAX_SMALL_PAGE } from "./limits.ts"
import { inboxKind } from "./validators.ts"

type Ctx = QueryCtx & OperatorCaller
type Item = Doc<"inbox">

const readerOf = ({ device, operator }: OperatorCaller): string => device?.deviceId ?? operator

const readBy = (ctx: Ctx, itemId: Id<"inbox">) =>
  ctx.db
    .query("inboxReads")
    .withIndex("by_item", (q) => q.eq("itemId", itemId).eq("reader", readerOf(ctx)))
    .unique()

/** The newest items of each kind, and whether the device has read them. A read result that succeeded is left out. */
const itemsOf = async (ctx: Ctx, archived: boolean) => {
  const kinds = await Promise.all(
    inboxKind.members.map(({ value: kind }) =>
      ctx.db
        .query("inbox")
        .withIndex("by_owner_kind", (q) => q.eq("ownerId", ctx.operator).eq("archived", archived).eq("kind", kind))
        .order(kind === "asked" ? "asc" : "desc")
        .take(MAX_INBOX)
    )
  )
  const items = await Promise.all(
    kinds.flat().map(async (item) => ({ item, read: ((await readBy(ctx, item._id))?.at ?? 0) >= item.at }))
  )
  return items.filter(({ item, read }) => archived || item.pinned || item.kind !== "finished" || !read)
}

/** A request waits for an answer, read or not. */
const waits = ({ item, read }: { readonly item: Item; readonly read: boolean }) => item.kind === "asked" || !read

const toItem = async (ctx: QueryCtx, { item, read }: { readonly item: Item; readonly read: boolean }) => {
  const session = item.sessionId === undefined ? null : await ctx.db.get(item.sessionId)
  return {
    itemId: item._id,
    kind: item.kind,
    workerId: item.workerId,
    sessionId: item.sessionId ?? null,
    turnId: item.turnId ?? null,
    requestId: item.requestId ?? null,
    title: session?.title ?? null,
    subject: item.subject,
    at: item.at,
    read,
    pinned: item.pinned
  }
}

/**
 * The items that wait for you, at most 50 of each kind: `asked` (the oldest first), then `gone`, `failed`, `interrupted`, and
 * `finished` turns that this device has not read (the newest first); pinned ones before all. One result per session.
 * `archived`: those that were archived instead.
 */
export const list = operatorQuery({
  args: { archived: v.optional(v.boolean()) },
  handler: async (ctx, { archived }) => {
    const items = await itemsOf(ctx, archived ?? false)
    const [pinned, others] = [items.filter(({ item }) => item.pinned), items.filter(({ item }) => !item.pinned)]
    return Promise.all([...pinned, ...others].map((each) => toItem(ctx, each)))
  }
})

/** The number for a badge: requests that wait, and other items that this device has not read. At most 250. */
export const count = operatorQuery({
  args: {},
  handler: async (ctx) => (await itemsOf(ctx, false)).filter(waits).length
})

const ownItem = async (ctx: Ctx, itemId: Id<"inbox">): Promise<Item> => {
  const item = await ctx.db.get(itemId)
  if (item?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such item")
  return item
}

/** Marks items (up to 100) as read or unread, for this device. Items that are gone are left out. */
export const markRead = readerMutation({
  args: { itemIds: v.array(v.id("inbox")), read: v.boolean() },
  handler: async (ctx, { itemIds, read }) => {
    checkCount("itemIds", itemIds.length, MAX_SMALL_PAGE)
    for (const itemId of itemIds) {
      const item = await ctx.db.get(itemId)
      if (item === null) continue
      const { at } = await ownItem(ctx, itemId)
      const mark = await readBy(ctx, itemId)
      if (!read) {
        if (mark !== null) await ctx.db.delete(mark._id)
      } else if (mark === null) await ctx.db.insert("inboxReads", { itemId, reader: readerOf(ctx), at })
      else if (mark.at !== at) await ctx.db.patch(mark._id, { at })
    }
    return null
  }
})

/** Pins an item for all devices: it is listed first, also when it is read. */
export const pin = approverMutation({
  args: { itemId: v.id("inbox"), pinned: v.boolean() },
  handler: async (ctx, { itemId, pinned }) => {
    if ((await ownItem(ctx, itemId)).pinned !== pinned) await ctx.db.patch(itemId, { pinned })
    return null
  }
})

/** Archives an item for all devices, until something new happens to its session or worker. A request cannot be archived. */
export const archive = approverMutation({
  args: { itemId: v.id("inbox"), archived: v.boolean() },
  handler: async (ctx, { itemId, archived }) => {
    const item = await ownItem(ctx, itemId)
    if (item.kind === "asked") throw appError("Conflict", "This request waits for an answer: answer it")
    if (item.archived !== archived) await ctx.db.patch(itemId, { archived })
    return null
  }
})

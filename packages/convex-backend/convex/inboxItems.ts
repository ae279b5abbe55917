/**
 * The rows of the inbox. They change in the transaction of the change that they are about, so that no list computes them.
 */
import { internal } from "./_generated/api.ts"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { headOf } from "./payloads.ts"
import { MAX_DEVICES_READ, MAX_HEAD, NOTIFY_DEBOUNCE } from "./limits.ts"
import { isWanted } from "./notifyTargets.ts"

type Item = Doc<"inbox">

const itemOf = (ctx: QueryCtx, key: Item["key"]): Promise<Item | null> =>
  ctx.db
    .query("inbox")
    .withIndex("by_key", (q) => q.eq("key", key))
    .unique()

/** Shows an item, at the present time. It replaces the one with the same key, and is unread again. */
export const showItem = async (
  ctx: MutationCtx,
  { subject, ...item }: Omit<Item, "_id" | "_creationTime" | "at" | "pinned" | "archived">
): Promise<void> => {
  const existing = await itemOf(ctx, item.key)
  const shown = { ...item, subject: headOf(subject, MAX_HEAD), at: Date.now(), archived: false }
  const itemId = existing?._id ?? (await ctx.db.insert("inbox", { ...shown, pinned: false }))
  if (existing !== null) await ctx.db.patch(itemId, shown)
  if (!(await isWanted(ctx, item.ownerId, item.kind))) return
  await ctx.scheduler.runAfter(NOTIFY_DEBOUNCE, internal.notifyDelivery.announce, { itemId, at: shown.at })
}

/** Deletes an item with the marks of its readers. */
export const deleteItem = async (ctx: MutationCtx, { _id }: Item): Promise<void> => {
  const reads = await ctx.db
    .query("inboxReads")
    .withIndex("by_item", (q) => q.eq("itemId", _id))
    .take(MAX_DEVICES_READ)
  for (const read of reads) await ctx.db.delete(read._id)
  await ctx.db.delete(_id)
}

/** Removes the item about a request, session or worker, if there is one. */
export const removeItem = async (ctx: MutationCtx, key: Item["key"]): Promise<void> => {
  const item = await itemOf(ctx, key)
  if (item !== null) await deleteItem(ctx, item)
}

/** A worker went offline without a stop, or is back. */
export const showWorker = async (ctx: MutationCtx, workerId: Id<"workers">, isGone: boolean): Promise<void> => {
  if (!isGone) return removeItem(ctx, workerId)
  const worker = await ctx.db.get(workerId)
  if (worker === null) return
  const { directory, machine, ownerId } = worker
  await showItem(ctx, { ownerId, kind: "gone", key: workerId, workerId, subject: `${machine}: ${directory}` })
}

const kinds = { completed: "finished", failed: "failed", expired: "failed", interrupted: "interrupted" } as const

/** The latest result of a session. An abort is the operator's own act, so it leaves none. */
export const showResult = async (
  ctx: MutationCtx,
  { _id: turnId, head, ownerId, sessionId, workerId }: Doc<"turns">,
  { error, status }: { readonly status: keyof typeof kinds | "aborted"; readonly error?: { readonly message: string } }
): Promise<void> => {
  if (status === "aborted") return removeItem(ctx, sessionId)
  const subject = error?.message ?? head
  await showItem(ctx, { ownerId, kind: kinds[status], key: sessionId, workerId, sessionId, turnId, subject })
}

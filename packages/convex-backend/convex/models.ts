/**
 * The models that a worker offers, as OpenCode reports them.
 */
import { v } from "convex/values"
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { appError } from "./errors.ts"
import { checkText, MAX_CATALOG, MAX_CATALOG_ROWS, MAX_NAME, MAX_PART_ROW } from "./limits.ts"
import { storeVariants } from "./modelVariants.ts"
import { splitText } from "./payloads.ts"

/** In the order of their chunks. */
const catalogOf = (ctx: QueryCtx, workerId: Id<"workers">): Promise<Array<Doc<"modelCatalogs">>> =>
  ctx.db
    .query("modelCatalogs")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .take(MAX_CATALOG_ROWS)

const hashOf = async (ctx: QueryCtx, workerId: Id<"workers">): Promise<string | null> => {
  const first = await ctx.db
    .query("modelCatalogs")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .first()
  return first?.hash ?? null
}

/** The hash of the catalogue that this worker published last, or null. Read at the start, to avoid sending an unchanged one. */
export const published = workerQuery({
  args: {},
  handler: (ctx) => hashOf(ctx, ctx.worker._id)
})

/**
 * Replaces the catalogue of the worker. `models`: JSON text; `hash`: of its content; `default`: `provider/model`. Writes
 * nothing if the stored hash is the same.
 */
export const publish = workerMutation({
  args: { hash: v.string(), models: v.string(), default: v.union(v.string(), v.null()) },
  handler: async (ctx, { hash, models, default: chosen }) => {
    checkText("hash", hash, MAX_NAME)
    checkText("models", models, MAX_CATALOG)
    if (chosen !== null) checkText("default", chosen, MAX_NAME)
    const workerId = ctx.worker._id
    if ((await hashOf(ctx, workerId)) === hash) return null
    for (const { _id } of await catalogOf(ctx, workerId)) await ctx.db.delete(_id)
    for (const [chunk, piece] of splitText(models, MAX_PART_ROW).entries()) {
      await ctx.db.insert("modelCatalogs", { workerId, hash, default: chosen, chunk, models: piece })
    }
    await storeVariants(ctx, workerId, models)
    return null
  }
})

/** The catalogue of one of your workers, null before it has published one. `models`: JSON text. */
export const get = operatorQuery({
  args: { workerId: v.id("workers") },
  handler: async (ctx, { workerId }) => {
    const worker = await ctx.db.get(workerId)
    if (worker?.ownerId !== ctx.operator) throw appError("NotFound", "You have no such worker")
    const rows = await catalogOf(ctx, workerId)
    const [first] = rows
    if (first === undefined) return null
    return { hash: first.hash, default: first.default, models: rows.map(({ models }) => models).join("") }
  }
})

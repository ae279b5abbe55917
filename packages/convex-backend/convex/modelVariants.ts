/** The names of the variants of models, in a row of their own: a prompt with a variant reads it, and no whole catalogue. */
import type { Id } from "./_generated/dataModel.ts"
import type { MutationCtx, QueryCtx } from "./_generated/server.ts"
import { MAX_MODEL_VARIANTS, MAX_NAME, MAX_VARIANTS } from "./limits.ts"
import { parseJson, record, text } from "./outline.ts"

interface ModelVariants {
  readonly id: string
  readonly variants: ReadonlyArray<string>
}

const rowOf = (ctx: QueryCtx, workerId: Id<"workers">) =>
  ctx.db
    .query("modelVariants")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()

/** Of a catalogue as JSON, which may have any shape. Only models with variants, at most 1,000. */
export const variantsIn = (models: string): Array<{ id: string; variants: Array<string> }> => {
  const parsed = parseJson(models)
  const all: ReadonlyArray<unknown> = Array.isArray(parsed) ? parsed : []
  const found = all.flatMap((model) => {
    const { id, variants } = record(model)
    const names = (Array.isArray(variants) ? variants : []).map(text)
    const known = names.filter((name) => name !== "" && name.length <= MAX_NAME).slice(0, MAX_VARIANTS)
    const isNamed = typeof id === "string" && id.length <= MAX_NAME
    return isNamed && known.length > 0 ? [{ id, variants: known }] : []
  })
  return found.slice(0, MAX_MODEL_VARIANTS)
}

export const storeVariants = async (ctx: MutationCtx, workerId: Id<"workers">, models: string): Promise<void> => {
  const found = variantsIn(models)
  const row = await rowOf(ctx, workerId)
  if (row === null) await ctx.db.insert("modelVariants", { workerId, models: found })
  else await ctx.db.patch(row._id, { models: found })
}

/** Null before the worker has published its models. */
export const variantsOf = async (
  ctx: QueryCtx,
  workerId: Id<"workers">
): Promise<ReadonlyArray<ModelVariants> | null> => (await rowOf(ctx, workerId))?.models ?? null

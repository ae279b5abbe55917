/**
 * The agents, commands and skills that the directory of a worker offers, as OpenCode reports them.
 */
import { v } from "convex/values"
import { ownedWorker } from "./authorize.ts"
import { operatorQuery, workerMutation, workerQuery } from "./builders.ts"
import { catalogRow } from "./catalogNames.ts"
import { appError } from "./errors.ts"
import { checkText, MAX_CATALOG_ENTRIES, MAX_NAME } from "./limits.ts"
import { catalogEntries } from "./validators.ts"

/** Rejects an entry with a text of more than 500 characters. */
const checkEntries = (lists: Readonly<Record<string, ReadonlyArray<object>>>): void => {
  for (const [list, entries] of Object.entries(lists)) {
    for (const [field, value] of entries.flatMap((entry) => Object.entries(entry))) {
      if (typeof value === "string") checkText(`${list}.${field}`, value, MAX_NAME, 0)
    }
  }
}

/** The hash of the catalogue that this worker published last, or null. */
export const published = workerQuery({
  args: {},
  handler: async (ctx) => (await catalogRow(ctx, ctx.worker._id))?.hash ?? null
})

/** Replaces the catalogue of the worker. Writes nothing if the stored `hash` is the same. At most 250,000 characters as JSON. */
export const publish = workerMutation({
  args: { hash: v.string(), ...catalogEntries },
  handler: async (ctx, { agents, commands, hash, skills }) => {
    checkText("hash", hash, MAX_NAME)
    const catalog = { agents, commands, skills }
    checkEntries(catalog)
    const { length } = JSON.stringify(catalog)
    if (length > MAX_CATALOG_ENTRIES) {
      throw appError("InvalidArgument", `The catalogue has ${length} characters; it takes ${MAX_CATALOG_ENTRIES}`)
    }
    const row = await catalogRow(ctx, ctx.worker._id)
    if (row?.hash === hash) return null
    if (row !== null) await ctx.db.replace(row._id, { workerId: ctx.worker._id, hash, ...catalog })
    else await ctx.db.insert("catalogs", { workerId: ctx.worker._id, hash, ...catalog })
    return null
  }
})

/** The catalogue of one of your workers, null before it has published one. */
export const get = operatorQuery({
  args: { workerId: v.id("workers") },
  handler: async (ctx, { workerId }) => {
    await ownedWorker(ctx, workerId)
    const row = await catalogRow(ctx, workerId)
    if (row === null) return null
    const { agents, commands, hash, skills } = row
    return { hash, agents, commands, skills }
  }
})

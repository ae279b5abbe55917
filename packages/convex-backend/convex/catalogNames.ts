/**
 * Checks the names in a prompt against what its worker has published.
 *
 * Only while the worker is online: the catalogue of an offline one may be old, and its prompts wait. The worker checks
 * every name again before it delivers the prompt.
 */
import type { Doc, Id } from "./_generated/dataModel.ts"
import type { QueryCtx } from "./_generated/server.ts"
import { appError } from "./errors.ts"
import { MAX_NAMED } from "./limits.ts"
import { variantsOf } from "./modelVariants.ts"
import { presenceOf } from "./presence.ts"

export const catalogRow = (ctx: QueryCtx, workerId: Id<"workers">): Promise<Doc<"catalogs"> | null> =>
  ctx.db
    .query("catalogs")
    .withIndex("by_worker", (q) => q.eq("workerId", workerId))
    .unique()

/** The first names, for a message. */
export const listed = (names: ReadonlyArray<string>): string => {
  if (names.length === 0) return "It has none"
  const more = names.length > MAX_NAMED ? `, and ${names.length - MAX_NAMED} more` : ""
  return `It has ${names.slice(0, MAX_NAMED).join(", ")}${more}`
}

const unknown = (what: string, name: string, names: ReadonlyArray<string>) =>
  appError("InvalidArgument", `The worker has no ${what} "${name}". ${listed(names)}. Refresh its models if it is new`)

interface Names {
  readonly agent?: string | undefined
  readonly command?: string | undefined
  readonly model?: string | undefined
  readonly variant?: string | undefined
}

const checkVariant = async (ctx: QueryCtx, workerId: Id<"workers">, variant: string, model: string | undefined) => {
  const models = await variantsOf(ctx, workerId)
  if (models === null) return
  const named = models.filter(({ id }) => model === undefined || id === model)
  const variants = new Set(named.flatMap((each) => each.variants))
  // A model without variants is not in the list, and neither is one that the worker does not have.
  if (!variants.has(variant))
    throw unknown(model === undefined ? "variant" : `variant of ${model}`, variant, [...variants])
}

/** Rejects an agent, a command or a variant that the worker does not have, and lists those that it has. */
export const checkNames = async (
  ctx: QueryCtx,
  workerId: Id<"workers">,
  { agent, command, model, variant }: Names
): Promise<void> => {
  if (agent === undefined && command === undefined && variant === undefined) return
  if (!(await presenceOf(ctx, workerId)).online) return
  if (variant !== undefined) await checkVariant(ctx, workerId, variant, model)
  if (agent === undefined && command === undefined) return
  const catalog = await catalogRow(ctx, workerId)
  if (catalog === null) return
  const { agents, commands } = catalog
  if (agent !== undefined && !agents.some(({ name }) => name === agent)) {
    const shown = agents.filter(({ hidden, mode }) => hidden !== true && mode !== "subagent")
    throw unknown(
      "agent",
      agent,
      shown.map(({ name }) => name)
    )
  }
  if (command !== undefined && !commands.some(({ name }) => name === command)) {
    throw unknown(
      "command",
      command,
      commands.map(({ name }) => name)
    )
  }
}

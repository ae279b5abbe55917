/** The agents, commands and skills of the directory, read once for all callers, and the check of names in prompts. */
import { createHash } from "node:crypto"
import { AgentError, AgentReason, type CatalogPublisher } from "@opencode-worker/convex-sync"
import { type ModelCatalog, SwrCache } from "@opencode-worker/model-cache"
import { type HostError, OpenCodeHost } from "@opencode-worker/opencode-host"
import { Context, Effect, Layer } from "effect"

export type PublishedCatalog = CatalogPublisher.PublishedCatalog

export class Catalog extends Context.Service<Catalog, SwrCache.SwrCache<PublishedCatalog, HostError>>()(
  "opencode-worker/Catalog"
) {}

const byName = (one: { readonly name: string }, other: { readonly name: string }) => (one.name < other.name ? -1 : 1)

/** The fields that have a text. OpenCode also reports null. */
const texts = <Key extends string>(
  fields: Readonly<Record<Key, string | null | undefined>>
): Partial<Record<Key, string>> =>
  Object.assign(
    {},
    ...Object.entries(fields).map(([key, value]) => (typeof value === "string" ? { [key]: value } : {}))
  )

/** Reads the three lists. One HTTP request each. */
const read = Effect.gen(function* () {
  const { client } = yield* OpenCodeHost
  const [agents, commands, skills] = yield* Effect.all([client.agents, client.commands, client.skills], {
    concurrency: "unbounded"
  })
  const catalog = {
    agents: agents.toSorted(byName).map(({ description, hidden, mode, model, name }) => ({
      name,
      mode,
      ...texts({ description, model: model && `${model.providerID}/${model.modelID}` }),
      ...(hidden === true && { hidden })
    })),
    commands: commands.toSorted(byName).map(({ agent, description, model, name, source, subtask }) => ({
      name,
      ...texts({ description, agent, model, source }),
      ...(subtask === true && { subtask })
    })),
    skills: skills.toSorted(byName).map(({ description, name }) => ({ name, ...texts({ description }) }))
  }
  const hash = createHash("sha256").update(JSON.stringify(catalog)).digest("hex")
  return { hash, ...catalog } satisfies PublishedCatalog
})

/** The cache over the hosted OpenCode server. */
export const catalogLayer = Layer.effect(
  Catalog,
  SwrCache.make({ lookup: read, equals: (one, other) => one.hash === other.hash, name: "catalog" })
)

const unknown = (name: string, message: string, names: ReadonlyArray<string>) =>
  new AgentError({
    reason: new AgentReason.Failed({
      name,
      message: `${message} ${names.length === 0 ? "It has none." : `It has ${names.join(", ")}.`}`
    })
  })

/**
 * Fails if the directory has no agent, or no command, of this name. A name that the cache does not have is looked up in
 * OpenCode first. OpenCode would fail without naming the ones that exist, or ignore the name.
 */
export const checkName = Effect.fnUntraced(function* (kind: "agent" | "command", name: string) {
  const cache = yield* Catalog
  const list = ({ agents, commands }: PublishedCatalog) => (kind === "agent" ? agents : commands)
  const has = (catalog: PublishedCatalog) => list(catalog).some((entry) => entry.name === name)
  if (has(yield* cache.get)) return
  const newest = yield* cache.refresh
  if (has(newest)) return
  const shown =
    kind === "agent"
      ? newest.agents.filter(({ hidden, mode }) => hidden !== true && mode !== "subagent")
      : newest.commands
  return yield* unknown(
    kind === "agent" ? "UnknownAgent" : "UnknownCommand",
    `This directory has no ${kind} "${name}".`,
    shown.map((entry) => entry.name)
  )
})

/** Fails if the model has no such variant: OpenCode would ignore it. A model that is not known is not checked. */
export const checkVariant = (
  model: ModelCatalog.Model | undefined,
  variant: string
): Effect.Effect<void, AgentError> => {
  if (model === undefined) return Effect.void
  const { id, variants = [] } = model
  return variants.includes(variant)
    ? Effect.void
    : unknown("UnknownVariant", `${id} has no variant "${variant}".`, variants)
}

/** Shows operators the agents, commands and skills of a directory, at the cost of a write only when they changed. */
import type { api as backendApi } from "@opencode-worker/convex-backend/api"
import { MAX_CATALOG_ENTRIES, MAX_NAME } from "@opencode-worker/convex-backend/limits"
import type { FunctionArgs } from "convex/server"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { api } from "./Backend.ts"
import type { ConvexSyncError } from "./ConvexSyncError.ts"
import { publishChanges, type PublishedStore } from "./internal/publishChanges.ts"
import { Lease } from "./Lease.ts"

type Publish = FunctionArgs<typeof backendApi.catalog.publish>

/** What a directory offers to prompts. `hash`: of the content. */
export type PublishedCatalog = Pick<Publish, "hash" | "agents" | "commands" | "skills">

/** The characters of a description. */
const described = 200

/** Entries with a name that is too long cannot be used in a prompt. */
const shorten = <Entry extends { readonly name: string; readonly description?: string }>(
  entries: ReadonlyArray<Entry>,
  length: number
): Array<Entry> =>
  entries
    .filter(({ name }) => name.length <= MAX_NAME)
    .map((entry) =>
      entry.description === undefined
        ? entry
        : { ...entry, description: entry.description.slice(0, length).toWellFormed() }
    )

/** The catalogue within the limits of the deployment: it loses the ends of descriptions first, then the last entries. Pure. */
export const catalogWithinLimits = ({ hash, ...catalog }: PublishedCatalog): PublishedCatalog => {
  const within = (length: number, count: number) => ({
    agents: shorten(catalog.agents, length).slice(0, count),
    commands: shorten(catalog.commands, length).slice(0, count),
    skills: shorten(catalog.skills, length).slice(0, count)
  })
  const attempts = [
    [described, Infinity],
    [0, Infinity],
    [0, 100],
    [0, 20]
  ] as const
  const candidates = attempts.map(([length, count]) => within(length, count))
  const fitting = candidates.find((candidate) => JSON.stringify(candidate).length <= MAX_CATALOG_ENTRIES)
  return { hash, ...(fitting ?? within(0, 0)) }
}

/** The store over a lease. */
export const storeOf = (lease: Lease["Service"]): PublishedStore<PublishedCatalog> => ({
  published: lease.query(api.catalog.published, {}),
  publish: (catalog) => lease.mutation(api.catalog.publish, catalogWithinLimits(catalog))
})

/** Publishes each catalogue whose hash differs from the published one, until the stream or the lease ends. */
export const publish = <E, R>(
  catalogs: Stream.Stream<PublishedCatalog, E, R>
): Effect.Effect<void, ConvexSyncError | E, R | Lease> =>
  Effect.flatMap(Lease, (lease) => publishChanges("catalogue", storeOf(lease), catalogs))

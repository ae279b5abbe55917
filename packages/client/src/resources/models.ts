import { api, type CommandId, type WorkerId } from "../api.ts"
import { type CallOptions, type Calls, keyed, type MutationOptions } from "../internal/calls.ts"

/** The models of a worker. */
export interface ModelCatalog {
  readonly hash: string
  /** `provider/model`, or null. */
  readonly default: string | null
  readonly models: ReadonlyArray<Readonly<Record<string, unknown>>>
}

const catalog = (row: { hash: string; default: string | null; models: string } | null): ModelCatalog | null =>
  row && { ...row, models: JSON.parse(row.models) }

export const makeModels = ({ mutation, query }: Calls) => ({
  /** Null until the worker has published its models. */
  get: async (workerId: WorkerId, options?: CallOptions): Promise<ModelCatalog | null> =>
    catalog(await query(api.models.get, { workerId }, options)),
  /** Makes the worker fetch its models again. */
  refresh: (workerId: WorkerId, options?: MutationOptions): Promise<CommandId> =>
    mutation(api.workers.refreshModels, { workerId, ...keyed(options) }, options)
})
